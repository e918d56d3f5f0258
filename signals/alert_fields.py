"""Reads an alert's fields one by one and collects what is wrong with each, so that the sender hears it all at once."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, TypeVar

from django.utils.translation import gettext_lazy as _

from signals.alert_json import (
    PLACEHOLDER,
    FieldErrors,
    NotFinite,
    clean_line,
    clean_prose,
    not_a_number,
    quoted,
    unfilled,
)
from signals.blanking import BLANKED, blank_text, names_secret
from signals.models import Side

PRICE_STEP = Decimal("0.00000001")  # the columns' eight decimal places
PRICE_LIMIT = Decimal(10) ** 12  # and their twelve digits before the point
PERCENT_STEP = Decimal("0.01")
MAX_PROSE_LENGTH = 10_000

OLDEST_TIMESTAMP = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
NEWEST_TIMESTAMP_AHEAD = dt.timedelta(days=1)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# As seconds this is the year 5138, as milliseconds 1973: no alert means either, so it tells the two units apart.
MILLISECONDS_FROM = Decimal(10) ** 11

REQUIRED = "This field is required."

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_NOT_A_NUMBER = re.compile(r"[+-]?(?:na|nan|inf|infinity)", re.IGNORECASE)

Word = TypeVar("Word")


class AlertFields:
    """A decoded alert. Each method reads one field; what is wrong goes to `errors`, what is odd to `warnings`."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = raw
        self.errors: FieldErrors = {}
        self.warnings: list[str] = []

    def refuse(self, name: str, error: str) -> None:
        self.errors.setdefault(name, []).append(error)

    def line(self, name: str, *, max_length: int, required: bool = False) -> str:
        """One line of text; "" when there is none or it was refused."""
        text = self._text(name, required=required)
        if len(text) > max_length:
            self.refuse(name, f"At most {max_length} characters; this has {len(text)}.")
            return ""
        return text

    def mapped(self, name: str, to_canonical: Callable[[str], Word | None], *, expected: str) -> Word | None:
        """A required word of a vocabulary; one that cannot be mapped is refused."""
        text = self._text(name, required=True)
        word = to_canonical(text) if text else None
        if text and word is None:
            self.refuse(name, f"{quoted(text)} is not known here: {expected}.")
        return word

    def hinted(self, name: str, value: Any, to_canonical: Callable[[str], Word | None]) -> Word | None:
        """An optional word of a vocabulary; one that cannot be mapped is left out with a warning."""
        if value is None or value == "":
            return None
        word = to_canonical(value) if isinstance(value, str) else None
        if word is None:
            shown = quoted(value) if isinstance(value, str) else "The value"
            self.warnings.append(f"{name}: {shown} is not known here and was left blank.")
        return word

    def prose(self, name: str) -> str:
        """Optional text of many lines."""
        value = self.raw.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.refuse(name, "Must be text.")
            return ""
        text = clean_prose(value)
        if len(text) > MAX_PROSE_LENGTH:
            self.refuse(name, f"At most {MAX_PROSE_LENGTH} characters; this has {len(text)}.")
        if found := PLACEHOLDER.search(text):
            self.warnings.append(f"{name}: {unfilled(found.group())}")
        return text

    def price(self, name: str, *, required: bool = False) -> Decimal | None:
        """A positive price that fits its column."""
        number = self._number(name, required=required)
        if number is None:
            return None
        if number <= 0:
            self.refuse(name, "Must be above zero.")
            return None
        price = number.quantize(PRICE_STEP, ROUND_HALF_EVEN) if number < PRICE_LIMIT else PRICE_LIMIT
        if price >= PRICE_LIMIT:
            self.refuse(name, "Too large: at most 12 digits before the point.")
        elif price == 0:
            self.refuse(name, "Too small: at most 8 decimal places.")
        else:
            return price
        return None

    def percentage(self, name: str) -> Decimal | None:
        """A required number from 0 to 100."""
        number = self._number(name, required=True)
        if number is not None and not 0 <= number <= 100:
            self.refuse(name, "Must be between 0 and 100.")
            return None
        return None if number is None else number.quantize(PERCENT_STEP, ROUND_HALF_EVEN)

    def timestamp(self, name: str, *, now: dt.datetime) -> dt.datetime | None:
        """ISO 8601 (UTC unless it says otherwise) or epoch seconds or milliseconds."""
        value = self.raw.get(name)
        if value is None or value == "":
            return None
        moment = None
        if isinstance(value, Decimal) or (isinstance(value, str) and _NUMBER.fullmatch(value.strip())):
            moment = _from_epoch(Decimal(value))
        elif text := self._text(name, required=False):
            moment = _from_iso(text)
        if moment is None:
            if name not in self.errors:
                self.refuse(name, "Must be an ISO 8601 time or epoch seconds or milliseconds.")
        elif not OLDEST_TIMESTAMP <= moment <= now + NEWEST_TIMESTAMP_AHEAD:
            self.refuse(name, f"{moment:%Y-%m-%d} is not the time of an alert.")
        return moment

    def structure(self, name: str, value: Any) -> Any:
        """Any JSON value as plain types that every database stores, secrets blanked."""
        if isinstance(value, dict):
            return {
                clean_line(key)[:64]: BLANKED if names_secret(key) else self.structure(name, inner)
                for key, inner in value.items()
            }
        if isinstance(value, list):
            return [self.structure(name, inner) for inner in value]
        if isinstance(value, str):
            return clean_prose(blank_text(value))
        return self._plain_number(name, value) if isinstance(value, Decimal | NotFinite) else value

    def _plain_number(self, name: str, number: Decimal | NotFinite) -> int | float | None:
        if isinstance(number, NotFinite) or abs(number.adjusted()) > 300:
            self.refuse(name, "Holds a number that is not finite.")
            return None
        if number == 0 or (number.adjusted() < 15 and number == number.to_integral_value()):
            return int(number)
        return float(number)

    def _text(self, name: str, *, required: bool) -> str:
        value = self.raw.get(name)
        if isinstance(value, Decimal) and 0 < value < 10**15 and value == value.to_integral_value():
            value = str(int(value))  # a timeframe of 60, an id of 17
        if value is None:
            text = ""
        elif isinstance(value, str):
            text = clean_line(value)
        else:
            self.refuse(name, "Must be text.")
            return ""
        if not text and required:
            self.refuse(name, REQUIRED)
        elif found := PLACEHOLDER.search(text):
            self.refuse(name, unfilled(found.group()))
            return ""
        return text

    def _number(self, name: str, *, required: bool) -> Decimal | None:
        value = self.raw.get(name)
        if isinstance(value, Decimal):
            return value
        if value is None or (isinstance(value, str) and not value.strip()):
            if required:
                self.refuse(name, REQUIRED)
        elif isinstance(value, NotFinite):
            self.refuse(name, not_a_number(value.text))
        elif not isinstance(value, str):
            self.refuse(name, "Must be a number.")
        elif _NUMBER.fullmatch(value.strip()):
            return Decimal(value.strip())
        else:
            self.refuse(name, _why_no_number(value.strip()))
        return None


# The webhook, whose answers stay English, and the admin's form both say these.
STOP_BEYOND_TARGET = {
    Side.BUY: _("The stop loss of a buy must be below its take profit."),
    Side.SELL: _("The stop loss of a sell must be above its take profit."),
}
STOP_BEYOND_PRICE = {
    Side.BUY: _("The stop loss of a buy must be below its price."),
    Side.SELL: _("The stop loss of a sell must be above its price."),
}
TARGET_BEYOND_PRICE = {
    Side.BUY: _("The take profit of a buy must be above its price."),
    Side.SELL: _("The take profit of a sell must be below its price."),
}


def stop_and_target_errors(side: Side, price: Decimal | None, sl: Decimal, tp: Decimal) -> FieldErrors:
    """`sl < price < tp` for a buy, mirrored for a sell; without a price the stop against the target.

    Compared as floats, as SQLite's constraints do: it would refuse two prices that differ in the sixteenth digit.
    """
    sign = 1 if side == Side.BUY else -1
    stop, target = sign * float(sl), sign * float(tp)
    if price is None:
        return {"sl": [str(STOP_BEYOND_TARGET[side])]} if stop >= target else {}
    errors: FieldErrors = {}
    if stop >= sign * float(price):
        errors["sl"] = [str(STOP_BEYOND_PRICE[side])]
    if target <= sign * float(price):
        errors["tp"] = [str(TARGET_BEYOND_PRICE[side])]
    return errors


def _why_no_number(text: str) -> str:
    if found := PLACEHOLDER.search(text):
        return unfilled(found.group())
    return not_a_number(text) if _NOT_A_NUMBER.fullmatch(text) else f"{quoted(text)} is not a number."


def _from_epoch(number: Decimal) -> dt.datetime | None:
    if not 0 <= number < MILLISECONDS_FROM * 1000:
        return None
    seconds = number / 1000 if number >= MILLISECONDS_FROM else number
    return EPOCH + dt.timedelta(microseconds=int(seconds * 1_000_000))


def _from_iso(text: str) -> dt.datetime | None:
    try:
        moment = dt.datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None
