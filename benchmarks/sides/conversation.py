"""How a writer is driven: one line of JSON a command, one line of JSON an answer. Standard library only."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

Save = Callable[[int, int], object]


def converse(commands: dict[str, Callable[..., Any]]) -> None:
    """Obey until standard input ends. What a command prints by mistake must not look like an answer."""
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        command = json.loads(line)
        answer = commands[command.pop("do")](**command)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def save_one_by_one(save: Save, users: list[int], count: int, first_tag: int) -> list[tuple[int, float]]:
    """[tag, when it began] of each."""
    begun = []
    for place in range(count):
        begun.append((first_tag + place, time.monotonic()))
        save(users[place % len(users)], first_tag + place)
    return begun
