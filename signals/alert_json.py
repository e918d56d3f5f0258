"""The strict reading of an alert's JSON: exact numbers, NaN taken for none, no doubled keys, no deep nesting. Pure."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from signals.blanking import blank_text

MAX_DEPTH = 20

FieldErrors = dict[str, list[str]]

PLACEHOLDER = re.compile(r"\{\{[^{}]{0,64}\}\}")

# Where a template without quotes went wrong: `"sl": {{plot_3}}`, `"sl": na`.
_UNFILLED_VALUE = re.compile(r'"(\w{1,64})"\s{0,8}:\s{0,8}"?(\{\{[^{}]{0,64}\}\})')
_BARE_NOT_A_NUMBER = re.compile(r'"(\w{1,64})"\s{0,8}:\s{0,8}(-?(?:na|nan|inf|infinity))\s{0,8}[,}]', re.IGNORECASE)

# Left-to-right and right-to-left overrides: in a title they would turn the rest of the line around.
_DIRECTION_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class AlertError(Exception):
    """The alert cannot be taken: `fields` maps the field's name (or `body`) to what is wrong with it."""

    def __init__(self, fields: FieldErrors) -> None:
        super().__init__("; ".join(f"{name}: {' '.join(errors)}" for name, errors in fields.items()))
        self.fields = fields


@dataclass(frozen=True)
class NotFinite:
    """A number as written that is none, or none that can be held: NaN, Infinity, 1e99999999999999999999."""

    text: str


def decode(body: bytes) -> dict[str, Any]:
    """The body's one JSON object, with its numbers as `Decimal` or `NotFinite`. Raises AlertError."""
    text = _decode_text(body)
    try:
        decoded = json.loads(
            text, parse_constant=NotFinite, parse_float=_number, parse_int=_number, object_pairs_hook=_object
        )
    except RecursionError as error:
        raise AlertError(_too_deep()) from error
    except ValueError as error:
        raise AlertError(_what_broke_json(text, error)) from error
    if not isinstance(decoded, dict):
        raise AlertError({"body": ["The body must be one JSON object: {…}."]})
    if _depth_exceeds(decoded, MAX_DEPTH):
        raise AlertError(_too_deep())
    return decoded


def clean_line(text: str) -> str:
    """One line without control characters; PostgreSQL refuses NUL and lone surrogates altogether."""
    return " ".join("".join(" " if _is_unprintable(character) else character for character in text).split())


def clean_prose(text: str) -> str:
    """The same, with line breaks and tabs kept."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in text if c in "\n\t" or not _is_unprintable(c)).strip()


def quoted(text: str) -> str:
    """A value as an error message shows it: one line, at most 40 characters, secrets blanked."""
    line = clean_line(blank_text(text[:200]))
    return f"“{line if len(line) <= 40 else line[:39] + '…'}”"


def unfilled(placeholder: str) -> str:
    return f"The placeholder {clean_line(placeholder)} arrived as it is: TradingView has no such value for this alert."


def not_a_number(text: str) -> str:
    return f"Must be a finite number, not {clean_line(text)[:40]}. TradingView sends NaN for a plot that is na."


def _decode_text(body: bytes) -> str:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AlertError({"body": ["The body must be UTF-8 text."]}) from error
    if not text.strip():
        raise AlertError({"body": ["The body is empty: it must be one JSON object."]})
    return text


def _number(text: str) -> Decimal | NotFinite:
    try:
        return Decimal(text)
    except InvalidOperation:
        return NotFinite(text[:40])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, value in pairs:
        if key in members:
            raise AlertError({clean_line(key)[:64] or "body": ["Appears more than once."]})
        members[key] = value
    return members


def _what_broke_json(text: str, error: ValueError) -> FieldErrors:
    fields = {name: [unfilled(placeholder)] for name, placeholder in _UNFILLED_VALUE.findall(text)}
    fields |= {name: [not_a_number(value)] for name, value in _BARE_NOT_A_NUMBER.findall(text)}
    return fields or {"body": [f"Not valid JSON: {error}."]}


def _too_deep() -> FieldErrors:
    return {"body": [f"Nested more than {MAX_DEPTH} levels deep."]}


def _depth_exceeds(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [inner for outer in level for inner in _inner_values(outer)]
        if not level:
            return False
    return True


def _inner_values(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _is_unprintable(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cs"} or character in _DIRECTION_OVERRIDES
