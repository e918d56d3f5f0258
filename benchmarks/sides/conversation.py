"""How a writer is driven: one line of JSON a command, one line of JSON an answer. Standard library only."""

import json
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

Save = Callable[[int, int], object]
Atomic = Callable[[], AbstractContextManager[object]]
Begun = list[tuple[int, float]]  # [tag, when it began] of each insight


def converse(commands: dict[str, Callable[..., Any]]) -> None:
    """Obey until standard input ends. What a command prints by mistake must not look like an answer."""
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        command = json.loads(line)
        answer = commands[command.pop("do")](**command)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def saving(save: Save, atomic: Atomic | None = None) -> dict[str, Callable[..., Any]]:
    """The commands that save insights for one user each; without `atomic` each is always a transaction of its own."""
    return {"one_by_one": partial(_one_by_one, save), "same_instant": partial(_same_instant, save, atomic)}


def _one_by_one(save: Save, users: list[int], count: int, first_tag: int) -> Begun:
    begun = []
    for place in range(count):
        begun.append((first_tag + place, time.monotonic()))
        save(users[place % len(users)], first_tag + place)
    return begun


def _same_instant(
    save: Save,
    atomic: Atomic | None,
    users: list[int],
    first_tag: int,
    *,
    together: bool,
) -> Begun:
    if not together or atomic is None:
        return _one_by_one(save, users, len(users), first_tag)
    began = time.monotonic()
    with atomic():
        for place, user_id in enumerate(users):
            save(user_id, first_tag + place)
    return [(first_tag + place, began) for place in range(len(users))]
