"""docs/protocol.md and its schema against each other and the running consumer: all that is there, nothing else."""

from __future__ import annotations

import datetime as dt
import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from django.conf import settings
from django.contrib.auth.models import User
from django.db import OperationalError
from django.utils import timezone
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from notifications import brake, commands, consumers, frames, lifecycle, metrics, payloads, sockets, stream
from notifications.stream_client import Policy
from notifications.tests import tabs
from notifications.tests.conftest import NewInsight, OpenTab
from notifications.tests.rows import store_notification
from notifications.tests.tabs import Tab
from signals.models import Signal

DOCS = settings.BASE_DIR / "docs"
PAGE = (DOCS / "protocol.md").read_text(encoding="utf-8")
DOCUMENTS = {name: yaml.safe_load((DOCS / name).read_text()) for name in ("protocol.schema.yaml", "openapi.yaml")}
REGISTRY: Registry[Any] = Registry().with_resources(
    (f"https://docs.example/{name}", Resource.from_contents(content, default_specification=DRAFT202012))
    for name, content in DOCUMENTS.items()
)
SCHEMAS = DOCUMENTS["protocol.schema.yaml"]["$defs"]
NOTIFICATION = DOCUMENTS["openapi.yaml"]["components"]["schemas"]["Notification"]

CHAPTERS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def sections(chapter: str) -> dict[str, str]:
    return dict(re.findall(r"^### (\w+)\n(.*?)(?=^### |\Z)", CHAPTERS[chapter], re.MULTILINE | re.DOTALL))


FRAMES = sections("What the server sends")
COMMANDS = sections("What a client sends")
EXAMPLES = [
    (name, json.loads(text))
    for name, section in (FRAMES | COMMANDS).items()
    for text in re.findall(r"^```json\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
]


def table(text: str, heading: str) -> dict[str, str]:
    """The second column of a table by the first."""
    [rows] = re.findall(rf"^\| {heading} \|.*\n\| ---.*\n((?:\|.*\n?)+)", text, re.MULTILINE) or [""]
    return dict(re.findall(r"^\| `?(.+?)`? \| (.+?) \|", rows, re.MULTILINE))


def assert_fits(message: object, name: str) -> None:
    schema = {"$ref": f"https://docs.example/protocol.schema.yaml#/$defs/{name}"}
    checker = Draft202012Validator.FORMAT_CHECKER
    Draft202012Validator(schema, registry=REGISTRY, format_checker=checker).validate(message)


# --- The page and the schema ----------------------------------------------------------------------------------------


def test_the_frames_are_those_of_the_code() -> None:
    source = "".join(inspect.getsource(module) for module in (frames, payloads))
    built = re.findall(r'"type": "(\w+)"(?: if .* else "(\w+)")?', source)
    built += [re.findall(r'"(\w+)"', kinds) for kinds in re.findall(r"kind: Literal\[(.*)\]", source)]
    named = {each["$ref"].rpartition("/")[2] for each in SCHEMAS["Frame"]["oneOf"]}

    assert set(FRAMES) == {kind for kinds in built for kind in kinds if kind} == named


def test_the_commands_are_those_of_the_code() -> None:
    named = {each["$ref"].rpartition("/")[2] for each in SCHEMAS["Command"]["oneOf"]}

    assert set(COMMANDS) == set(commands.BUILDERS) == named


def test_the_error_codes_are_those_of_the_code() -> None:
    listed = list(table(FRAMES["error"], "Code"))

    assert sorted(listed) == sorted(get_args(commands.ErrorCode))
    assert listed == SCHEMAS["error"]["properties"]["code"]["enum"]


def test_the_close_codes_are_those_of_the_code() -> None:
    assert {int(code) for code in table(CHAPTERS["How it ends"], "Code")} == metrics.CLOSE_CODES
    sent = {consumers.INTERNAL_FAULT, consumers.RESTARTING, consumers.SIGNED_OUT, consumers.TOO_MANY_MESSAGES}
    assert sent < metrics.CLOSE_CODES


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_an_example_fits_the_schema(name: str, example: Any) -> None:
    assert example.get("type", example.get("command")) == name
    assert_fits(example, name)


@pytest.mark.parametrize("name", [*FRAMES, *COMMANDS])
def test_each_has_an_example_and_its_fields_are_described(name: str) -> None:
    which = "type" if name in FRAMES else "command"
    fields = {field: schema for field, schema in SCHEMAS[name]["properties"].items() if field != which}

    assert name in {named for named, _ in EXAMPLES}
    assert table((FRAMES | COMMANDS)[name], "Field") == {field: type_of(schema) for field, schema in fields.items()}


def test_every_field_of_a_notification_is_described() -> None:
    described = table(CHAPTERS["A notification"], "Field")

    assert described == {field: type_of(schema) for field, schema in NOTIFICATION["properties"].items()}
    assert set(described) == set(payloads.NotificationPayload.__annotations__)


def type_of(schema: dict[str, Any]) -> str:
    """In the words of the page."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        defined = SCHEMAS.get(name) or DOCUMENTS["openapi.yaml"]["components"]["schemas"][name]
        return "notification" if name in {"Notification", "Pushed"} else type_of(defined)
    if "oneOf" in schema:
        return " or ".join(map(type_of, schema["oneOf"]))
    if schema["type"] == "array":
        return f"list of {type_of(schema['items'])}s"
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return " or ".join(types)


def test_the_limits_are_those_of_the_code() -> None:
    assert {what: int(limit) for what, limit in table(CHAPTERS["Limits"], "What").items()} == {
        "bytes of a client's message": commands.MAX_FRAME_BYTES,
        "nesting of a client's message": commands.MAX_DEPTH,
        f"messages of a client in {commands.FLOOD_WINDOW_S:.0f} seconds": commands.FLOOD_MESSAGES,
        "syncs at once": commands.SYNCS_AT_ONCE,
        "characters of an epoch": commands.MAX_EPOCH_LENGTH,
        "sockets of a user in one server process": sockets.MAX_SOCKETS_A_USER,
        "rows in a frame": frames.ROWS_PER_FRAME,
        "changed rows that are told one by one": stream.MAX_CATCH_UP_ROWS,
    }


def test_the_policy_is_that_of_every_client_of_ours() -> None:
    policy = Policy()
    page = CHAPTERS["When to do what"]
    script = (Path(settings.BASE_DIR) / "static/notifications/socket.js").read_text(encoding="utf-8")
    tutorials = [(DOCS / "clients" / name).read_text(encoding="utf-8") for name in ("client.mjs", "client.py")]

    assert f"between {policy.reconnect_min_s} s and a ceiling of {policy.reconnect_min_s * 2:.0f} s" in page
    assert f"up to {policy.reconnect_max_s:.0f} s" in page
    assert f"every {policy.sync_every_s:.0f} s, {policy.sync_jitter:.0%} more or less".replace("%", " %") in page
    assert f"after {policy.gap_s * 1000:.0f} ms of a gap" in page
    assert f"{policy.answer_within_s:.0f} s after a `sync`" in page
    assert f"at most every {policy.ack_every_s * 1000:.0f} ms" in page
    for numbers in map(numbers_of_policy, [script, *tutorials]):
        assert numbers == {
            "reconnect": [policy.reconnect_min_s, policy.reconnect_max_s],
            "sync_every": [policy.sync_every_s],
            "sync_jitter": [policy.sync_jitter],
            "answer_within": [policy.answer_within_s],
            "gap": [policy.gap_s],
            "ack_every": [policy.ack_every_s],
        }


def numbers_of_policy(source: str) -> dict[str, list[float]]:
    """By name, in seconds: what a client in either language sets at its top."""
    found: dict[str, list[float]] = {}
    line = r"^(?:const |  )?([A-Za-z_]+(?:, [A-Z_]+)?)(?: =|:) (\{ least.*?\}|[\d._, ]+)[,;]?(?: //.*|  #.*)?$"
    for names, values in re.findall(line, source, re.MULTILINE):
        name = re.sub(r"([a-z])([A-Z])", r"\1_\2", names.partition(",")[0]).lower()
        scale = 1000 if name.endswith("_ms") else 1
        name = re.sub(r"(_min)?_(s|ms)$", "", name)
        if name.startswith(("reconnect", "sync", "answer", "gap", "ack")):
            found[name] = [float(number.replace("_", "")) / scale for number in re.findall(r"\d[\d_.]*", values)]
    return found


# --- The running consumer -------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
async def test_the_consumer_sends_each_frame_as_documented_and_no_other(
    alice: User, open_tab: OpenTab, new_insight: NewInsight, make_signal: Callable[..., Signal]
) -> None:
    tab = await open_tab(alice)
    seen = [tab.welcome]
    first = await new_insight(alice)
    seen += [await tab.frame(), *await answers(tab, {"command": "mark_read", "id": first.pk}, 2)]
    await tabs.in_thread(stream.mark_unread, alice.pk, first.pk)
    seen += [await tab.frame(), *await answers(tab, {"command": "mark_all_read"}, 2)]
    await tabs.in_thread(stream.undo_mark_all_read, alice.pk, seen[-2]["seq"])
    seen += [await tab.frame()]
    await tabs.in_thread(hold_until_now, alice, make_signal)
    await tabs.in_thread(lifecycle.release_held)
    while seen[-1]["type"] != "brief":
        seen += [await tab.frame()]
    seen += await answers(tab, {"command": "sync", "since": 0, "epoch": tab.welcome["epoch"]})
    for command in ("get_unread_count", "ping", "sell_everything"):
        seen += await answers(tab, {"command": command})
    await tabs.in_thread(brake.engage, "Prices are wrong.", by=None, name="")
    await tell_of_brake()
    seen += [await tab.frame()]

    for frame in seen:
        assert_fits(frame, frame["type"])
    assert {frame["type"] for frame in seen} == set(FRAMES)


async def tell_of_brake() -> None:
    registry = sockets.current()
    assert registry
    await registry.look_at_brake()


async def answers(tab: Tab, message: dict[str, Any], count: int = 1) -> list[dict[str, Any]]:
    await tab.send(**message)
    return await tab.frames(count)


def hold_until_now(user: User, make_signal: Callable[..., Signal]) -> None:
    store_notification(user, make_signal(user), seq=None, held_until=timezone.now() - dt.timedelta(seconds=1))


@pytest.mark.django_db(transaction=True)
async def test_the_consumer_takes_each_command_as_documented(alice: User, open_tab: OpenTab) -> None:
    tab = await open_tab(alice)
    for name, example in EXAMPLES:
        if name in COMMANDS:
            await tab.send(**example)
    await tab.send(command="ping", last=True)

    kinds = [(await tab.frame())["type"]]
    while kinds[-2:] != ["pong", "pong"]:
        kinds.append((await tab.frame())["type"])
    assert kinds == [
        "mark_read_response", "mark_all_read_response", "unread_count", "missed_notifications", "pong", "pong",
    ]  # fmt: skip


WRONG = {
    "not_json": "ping",
    "not_an_object": "[]",
    "too_large": json.dumps({"command": "ping", "padding": "x" * commands.MAX_FRAME_BYTES}),
    "too_deep": "[" * (commands.MAX_DEPTH + 1) + "]" * (commands.MAX_DEPTH + 1),
    "unknown_command": '{"command": "sell_everything"}',
    "bad_value": '{"command": "mark_read", "id": "1207"}',
    "unavailable": '{"command": "get_unread_count"}',
    "internal": '{"command": "mark_all_read"}',
}


@pytest.mark.django_db(transaction=True)
async def test_the_consumer_answers_each_mistake_with_its_documented_code(
    alice: User, open_tab: OpenTab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "unread_count", failing(OperationalError("away")))
    monkeypatch.setattr(stream, "mark_all_read", failing(ZeroDivisionError()))
    tab = await open_tab(alice)
    await tab.send_raw(binary=b"{}")
    seen = {"not_text": await tab.frame()}
    for code, text in WRONG.items():
        await tab.send_raw(text=text)
        seen[code] = await tab.frame()

    for code, frame in seen.items():
        assert_fits(frame, "error")
        assert frame["code"] == code
    assert seen.keys() == table(FRAMES["error"], "Code").keys()


def failing(error: Exception) -> Callable[..., None]:
    def fail(*args: object, **kwargs: object) -> None:
        raise error

    return fail
