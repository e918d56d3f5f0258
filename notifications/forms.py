"""The preferences, as a page posts them and as JSON brings them: the same fields, the same errors."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import QueryDict
from django.utils.dateparse import parse_datetime

from notifications.models import NotificationPreference
from notifications.preferences import QuietMode, as_decimal, canonical_strategies, canonical_symbols
from notifications.quiet import known_zones, zone_or_utc

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[NotificationPreference]
else:
    ModelForm = forms.ModelForm  # generic in the stubs only

MAX_ENTRIES = 100
MAX_ENTRY_CHARS = 64
# What exchanges use in tickers: BRK.B, ES1!, ^GSPC, GC=F, M&M, 0700. At most as long as a signal's own column.
SYMBOL = re.compile(r"[A-Z0-9.!^=&+#$*]{1,32}")
SPACED_SEPARATOR = re.compile(r"\s*[/:]\s*")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class NamesWidget(forms.Widget):
    """Several inputs of one name from a page; the list itself from JSON."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        return data.getlist(name) if isinstance(data, QueryDict) else data.get(name)


class NamesField(forms.Field):
    """A list of at most 100 names of at most 64 characters each, in canonical spelling; blank ones do not count."""

    widget = NamesWidget

    def __init__(self, *, canonical: Callable[[list[str]], list[str]], noun: str, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)
        self.canonical, self.noun = canonical, noun

    def to_python(self, value: list[str] | None) -> list[str]:
        given = [name for name in value or [] if name.strip()]
        if len(given) > MAX_ENTRIES:
            raise ValidationError(f"At most {MAX_ENTRIES} {self.noun}; these are {len(given)}.")
        for name in given:
            self._refuse_implausible(name)
        return self.canonical(given)

    def _refuse_implausible(self, name: str) -> None:
        if len(name) > MAX_ENTRY_CHARS:
            raise ValidationError(f"“{name[:MAX_ENTRY_CHARS]}…” is longer than {MAX_ENTRY_CHARS} characters.")
        if not name.isprintable():
            raise ValidationError(f"“{_visible(name)}” contains characters that cannot be shown.")


class SymbolsField(NamesField):
    def _refuse_implausible(self, name: str) -> None:
        super()._refuse_implausible(name)
        canonical = canonical_symbols([name])
        words = SPACED_SEPARATOR.sub("/", name).split()
        if not canonical or not SYMBOL.fullmatch(canonical[0]) or len(words) > 1:
            raise ValidationError(f"“{name}” is not a symbol; one looks like EURUSD, EUR/USD or FX:EURUSD.")


class TimeZoneField(forms.CharField):
    """An IANA name, in any case."""

    def clean(self, value: Any) -> str:
        name = super().clean(value)
        zones = {zone.casefold(): zone for zone in known_zones()}
        if name.casefold() not in zones:
            raise ValidationError(f"“{name[:64]}” is not a known time zone; one looks like Europe/London.")
        return zones[name.casefold()]


class MomentField(forms.Field):
    """A date and time between 2000 and 2199; without an offset it is a reading of the user's clock."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"})

    def to_python(self, value: str | None) -> dt.datetime | None:
        if not value or not value.strip():
            return None
        try:
            moment = parse_datetime(value.strip())
        except ValueError:
            moment = None
        if moment is None:
            raise ValidationError("Enter a date and time such as 2026-03-01 14:30.")
        if not 2000 <= moment.year < 2200:  # far from both ends of the calendar, where zones cannot be applied
            raise ValidationError("Enter a date between 2000 and 2199.")
        return moment


QUIET_TIMES = ("quiet_start_time", "quiet_end_time")

CSS_CLASSES: dict[type[forms.Widget], str] = {
    forms.CheckboxInput: "form-check-input",
    forms.CheckboxSelectMultiple: "form-check-input",
    forms.RadioSelect: "form-check-input",
}


def _flag(label: str, help_text: str = "") -> forms.BooleanField:
    return forms.BooleanField(label=label, help_text=help_text, required=False)


def _time(label: str, help_text: str = "") -> forms.TimeField:
    wrong = f"{label}: enter a time such as 22:00."
    return forms.TimeField(
        label=label,
        help_text=help_text,
        widget=forms.TimeInput(attrs={"type": "time"}),
        error_messages={"required": wrong, "invalid": wrong},
    )


class PreferenceForm(ModelForm):
    """Validate all the fields, or (`only`) some of them and leave the others as they are.

    `instance` is the row to change; whoever saves has locked it. Staff alone have `house_insights_for_staff`.
    """

    web_enabled = _flag("In the browser", "A toast and the bell, on every page that is open.")
    push_enabled = _flag("Web push", "On this device, also while the browser is closed.")
    email_digest_enabled = _flag("Daily e-mail", "One message that sums up the day.")
    min_confidence = forms.DecimalField(
        label="Minimum AI confidence",
        help_text="An insight with exactly this confidence still comes through.",
        decimal_places=2,
        validators=[
            MinValueValidator(0, "Enter a number from 0 to 100."),
            MaxValueValidator(100, "Enter a number from 0 to 100."),
        ],
        error_messages={"required": "Enter a number from 0 to 100.", "invalid": "Enter a number from 0 to 100."},
        widget=forms.NumberInput(attrs={"min": "0", "max": "100", "step": "0.01"}),
    )
    strategies_filter = NamesField(
        label="Strategies",
        help_text="Choose none to get every strategy.",
        canonical=canonical_strategies,
        noun="strategies",
    )
    symbols_filter = SymbolsField(
        label="Symbols",
        help_text="Choose none to get every symbol.",
        canonical=canonical_symbols,
        noun="symbols",
    )
    high_priority_only = _flag("High priority only", "Leave out medium and low priority, whatever their confidence.")
    quiet_hours_enabled = _flag("Keep quiet hours", "No toast, no sound, no push between two times of the day.")
    quiet_start_time = _time("Quiet from")
    quiet_end_time = _time("Quiet until", "Earlier than the start: over midnight. The same time: all day.")
    quiet_weekdays = forms.TypedMultipleChoiceField(
        label="On these days",
        help_text="The days on which they start; with none there are no quiet hours.",
        choices=list(enumerate(WEEKDAYS)),
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": "Choose days from 0 (Monday) to 6 (Sunday); %(value)s is none."},
    )
    quiet_mode = forms.ChoiceField(
        label="What comes in quiet hours is",
        choices=[(QuietMode.HOLD, "held until they end"), (QuietMode.SKIP, "skipped")],
        widget=forms.RadioSelect,
        error_messages={
            "required": "Choose hold or skip.",
            "invalid_choice": "Choose hold or skip; %(value)s is neither.",
        },
    )
    urgent_bypasses_quiet = _flag("Let high priority through", "Shown at once, even in quiet hours.")
    time_zone = TimeZoneField(
        label="Time zone",
        max_length=64,
        help_text="Your clock: for quiet hours, the pause and the daily e-mail.",
        widget=forms.TextInput(attrs={"list": "time-zones", "autocomplete": "off", "spellcheck": "false"}),
        error_messages={"required": "Enter a time zone such as Europe/London."},
    )
    sound = _flag("Play a sound", "Once for each new insight, in one tab only.")
    digest_time = _time("Time of the daily e-mail")
    paused_until = MomentField(
        label="Pause everything until", required=False, help_text="Nothing is sent before; empty means no pause."
    )
    house_insights_for_staff = _flag("House insights", "As a member of staff you get them only when you opt in.")

    class Meta:
        model = NotificationPreference
        fields = (  # in the order of the page
            "web_enabled",
            "sound",
            "push_enabled",
            "email_digest_enabled",
            "digest_time",
            "house_insights_for_staff",
            "min_confidence",
            "high_priority_only",
            "symbols_filter",
            "strategies_filter",
            "time_zone",
            "paused_until",
            "quiet_hours_enabled",
            "quiet_start_time",
            "quiet_end_time",
            "quiet_weekdays",
            "quiet_mode",
            "urgent_bypasses_quiet",
        )

    def __init__(
        self, data: Any = None, *, instance: NotificationPreference, only: Iterable[str] | None = None
    ) -> None:
        super().__init__(data, instance=instance, initial=_initial(instance))
        kept = field_names(instance) if only is None else set(only)
        for name in set(self.fields) - kept:
            del self.fields[name]
        for field in self.fields.values():
            field.widget.attrs["class"] = CSS_CLASSES.get(type(field.widget), "form-control")

    def focus_first_error(self) -> None:
        """Let the page that shows the errors open with the cursor in the first field that has one."""
        wrong = next((name for name in self.fields if name in self.errors), None)
        if wrong:
            self.fields[wrong].widget.attrs["autofocus"] = True

    def clean_quiet_weekdays(self) -> list[int]:
        return sorted(set(self.cleaned_data["quiet_weekdays"]))

    def clean(self) -> dict[str, Any]:
        """Give the pause its zone: the chosen one, also when it is chosen in the same form."""
        paused_until = self.cleaned_data.get("paused_until")
        if paused_until is not None:
            zone = zone_or_utc(self.cleaned_data.get("time_zone") or self.instance.time_zone)
            aware = paused_until if paused_until.tzinfo else paused_until.replace(tzinfo=zone)
            self.cleaned_data["paused_until"] = aware.astimezone(dt.UTC).replace(microsecond=0)
        return self.cleaned_data


def field_names(preference: NotificationPreference) -> set[str]:
    """The fields that the owner of these preferences may see and change."""
    names = set(PreferenceForm.Meta.fields)
    return names if preference.user.is_staff else names - {"house_insights_for_staff"}


def _initial(preference: NotificationPreference) -> dict[str, Any]:
    """What the widgets cannot work out: 65.00 is shown as 65, 22:00:00 as 22:00, a moment by the user's own clock."""
    shown = {"min_confidence": f"{as_decimal(preference.min_confidence).normalize():f}"}
    shown |= {name: _plain_time(getattr(preference, name)) for name in ("digest_time", *QUIET_TIMES)}
    if preference.paused_until is None:
        return shown
    local = preference.paused_until.astimezone(zone_or_utc(preference.time_zone))
    return shown | {"paused_until": local.replace(tzinfo=None).isoformat(timespec="seconds")}


def _plain_time(time: dt.time) -> str:
    return time.isoformat("auto" if time.second else "minutes")


def _visible(name: str) -> str:
    return "".join(character if character.isprintable() else "�" for character in name)
