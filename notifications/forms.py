"""The preferences, as a page posts them and as JSON brings them: the same fields, the same errors."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import QueryDict
from django.utils.dateparse import parse_datetime
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications.models import NotificationPreference
from notifications.preferences import QuietMode, as_decimal, canonical_strategies, canonical_symbols
from notifications.quiet import known_zones, zone_or_utc
from notifications.sounds import Sound

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    ModelForm = forms.ModelForm[NotificationPreference]
else:
    ModelForm = forms.ModelForm  # generic in the stubs only

MAX_ENTRIES = 100
MAX_ENTRY_CHARS = 64
# What exchanges use in tickers: BRK.B, ES1!, ^GSPC, GC=F, M&M, 0700. At most as long as a signal's own column.
SYMBOL = re.compile(r"[A-Z0-9.!^=&+#$*]{1,32}")
SPACED_SEPARATOR = re.compile(r"\s*[/:]\s*")
WEEKDAYS = (
    gettext_lazy("Monday"),
    gettext_lazy("Tuesday"),
    gettext_lazy("Wednesday"),
    gettext_lazy("Thursday"),
    gettext_lazy("Friday"),
    gettext_lazy("Saturday"),
    gettext_lazy("Sunday"),
)


class NamesWidget(forms.Widget):
    """Several inputs of one name from a page; the list itself from JSON."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        return data.getlist(name) if isinstance(data, QueryDict) else data.get(name)


class NamesField(forms.Field):
    """A list of at most 100 names of at most 64 characters each, in canonical spelling; blank ones do not count."""

    widget = NamesWidget

    def __init__(self, *, canonical: Callable[[list[str]], list[str]], noun: StrOrPromise, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)
        self.canonical, self.noun = canonical, noun

    def to_python(self, value: list[str] | None) -> list[str]:
        given = [name for name in value or [] if name.strip()]
        if len(given) > MAX_ENTRIES:
            raise ValidationError(
                _("At most %(most)d %(names)s; these are %(given)d.")
                % {"most": MAX_ENTRIES, "names": self.noun, "given": len(given)}
            )
        for name in given:
            self._refuse_implausible(name)
        return self.canonical(given)

    def _refuse_implausible(self, name: str) -> None:
        if len(name) > MAX_ENTRY_CHARS:
            values = {"name": name[:MAX_ENTRY_CHARS], "most": MAX_ENTRY_CHARS}
            raise ValidationError(_("“%(name)s…” is longer than %(most)d characters.") % values)
        if not name.isprintable():
            raise ValidationError(_("“%(name)s” contains characters that cannot be shown.") % {"name": _visible(name)})


class SymbolsField(NamesField):
    def _refuse_implausible(self, name: str) -> None:
        super()._refuse_implausible(name)
        canonical = canonical_symbols([name])
        words = SPACED_SEPARATOR.sub("/", name).split()
        if not canonical or not SYMBOL.fullmatch(canonical[0]) or len(words) > 1:
            text = _("“%(name)s” is not a symbol; one looks like EURUSD, EUR/USD or FX:EURUSD.")
            raise ValidationError(text % {"name": name})


class TimeZoneField(forms.CharField):
    """An IANA name, in any case."""

    def clean(self, value: Any) -> str:
        name = super().clean(value)
        zones = {zone.casefold(): zone for zone in known_zones()}
        if name.casefold() not in zones:
            text = _("“%(name)s” is not a known time zone; one looks like Europe/London.")
            raise ValidationError(text % {"name": name[:64]})
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
            raise ValidationError(_("Enter a date and time such as 2026-03-01 14:30."))
        if not 2000 <= moment.year < 2200:  # far from both ends of the calendar, where zones cannot be applied
            raise ValidationError(_("Enter a date between 2000 and 2199."))
        return moment


QUIET_TIMES = ("quiet_start_time", "quiet_end_time")

CSS_CLASSES: dict[type[forms.Widget], str] = {
    forms.CheckboxInput: "form-check-input",
    forms.CheckboxSelectMultiple: "form-check-input",
    forms.RadioSelect: "form-check-input",
    forms.Select: "form-select",
}


def _flag(label: StrOrPromise, help_text: StrOrPromise = "") -> forms.BooleanField:
    return forms.BooleanField(label=label, help_text=help_text, required=False)


def time_field(label: StrOrPromise, help_text: StrOrPromise = "") -> forms.TimeField:
    wrong = format_lazy(gettext_lazy("{label}: enter a time such as 22:00."), label=label)
    return forms.TimeField(
        label=label,
        help_text=help_text,
        widget=forms.TimeInput(attrs={"type": "time"}),
        error_messages={"required": wrong, "invalid": wrong},
    )


def languages() -> list[tuple[str, StrOrPromise]]:
    """Each by its own name, so that whoever looks for theirs can read it."""
    return [("", gettext_lazy("As the browser asks")), *settings.LANGUAGES]


def _sound(label: StrOrPromise) -> forms.ChoiceField:
    wrong = gettext_lazy("Choose none, tick, chime or rise.")
    return forms.ChoiceField(
        label=label, choices=Sound.choices, error_messages={"required": wrong, "invalid_choice": wrong}
    )


class PreferenceForm(ModelForm):
    """Validate all the fields, or (`only`) some of them and leave the others as they are.

    `instance` is the row to change; whoever saves has locked it. Staff alone have `house_insights_for_staff`.
    """

    web_enabled = _flag(
        gettext_lazy("In the browser"), gettext_lazy("A toast and the bell, on every page that is open.")
    )
    push_enabled = _flag(gettext_lazy("Web push"), gettext_lazy("On this device, also while the browser is closed."))
    email_digest_enabled = _flag(gettext_lazy("Daily e-mail"), gettext_lazy("One message that sums up the day."))
    min_confidence = forms.DecimalField(
        label=gettext_lazy("Minimum AI confidence"),
        help_text=gettext_lazy("An insight with exactly this confidence still comes through."),
        decimal_places=2,
        validators=[
            MinValueValidator(0, gettext_lazy("Enter a number from 0 to 100.")),
            MaxValueValidator(100, gettext_lazy("Enter a number from 0 to 100.")),
        ],
        error_messages={
            "required": gettext_lazy("Enter a number from 0 to 100."),
            "invalid": gettext_lazy("Enter a number from 0 to 100."),
        },
        widget=forms.NumberInput(attrs={"min": "0", "max": "100", "step": "0.01"}),
    )
    strategies_filter = NamesField(
        label=gettext_lazy("Strategies"),
        help_text=gettext_lazy("Choose none to get every strategy."),
        canonical=canonical_strategies,
        noun=gettext_lazy("strategies"),
    )
    symbols_filter = SymbolsField(
        label=gettext_lazy("Symbols"),
        help_text=gettext_lazy("Choose none to get every symbol."),
        canonical=canonical_symbols,
        noun=gettext_lazy("symbols"),
    )
    high_priority_only = _flag(
        gettext_lazy("High priority only"),
        gettext_lazy("Leave out medium and low priority, whatever their confidence."),
    )
    quiet_hours_enabled = _flag(
        gettext_lazy("Keep quiet hours"), gettext_lazy("No toast, no sound, no push between two times of the day.")
    )
    quiet_start_time = time_field(gettext_lazy("Quiet from"))
    quiet_end_time = time_field(
        gettext_lazy("Quiet until"), gettext_lazy("Earlier than the start: over midnight. The same time: all day.")
    )
    quiet_weekdays = forms.TypedMultipleChoiceField(
        label=gettext_lazy("On these days"),
        help_text=gettext_lazy("The days on which they start; with none there are no quiet hours."),
        choices=list(enumerate(WEEKDAYS)),
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "invalid_choice": gettext_lazy("Choose days from 0 (Monday) to 6 (Sunday); %(value)s is none.")
        },
    )
    quiet_mode = forms.ChoiceField(
        label=gettext_lazy("What comes in quiet hours is"),
        choices=[(QuietMode.HOLD, gettext_lazy("held until they end")), (QuietMode.SKIP, gettext_lazy("skipped"))],
        widget=forms.RadioSelect,
        error_messages={
            "required": gettext_lazy("Choose hold or skip."),
            "invalid_choice": gettext_lazy("Choose hold or skip; %(value)s is neither."),
        },
    )
    urgent_bypasses_quiet = _flag(
        gettext_lazy("Let high priority through"), gettext_lazy("Shown at once, even in quiet hours.")
    )
    time_zone = TimeZoneField(
        label=gettext_lazy("Time zone"),
        max_length=64,
        help_text=gettext_lazy("Your clock: for quiet hours, the pause and the daily e-mail."),
        widget=forms.TextInput(attrs={"list": "time-zones", "autocomplete": "off", "spellcheck": "false"}),
        error_messages={"required": gettext_lazy("Enter a time zone such as Europe/London.")},
    )
    language = forms.ChoiceField(
        label=gettext_lazy("Language"),
        help_text=gettext_lazy("Of these pages and of the mails to you. Insights stay as they were written."),
        choices=languages,
        required=False,
        error_messages={"invalid_choice": gettext_lazy("This site does not speak “%(value)s”.")},
    )
    sound = _flag(gettext_lazy("Play a sound"), gettext_lazy("Once for each new insight, in one tab only."))
    sound_high = _sound(gettext_lazy("High priority"))
    sound_medium = _sound(gettext_lazy("Medium priority"))
    sound_low = _sound(gettext_lazy("Low priority"))
    digest_time = time_field(gettext_lazy("Time of the daily e-mail"))
    paused_until = MomentField(
        label=gettext_lazy("Pause everything until"),
        required=False,
        help_text=gettext_lazy("Nothing is sent before; empty means no pause."),
    )
    house_insights_for_staff = _flag(
        gettext_lazy("House insights"), gettext_lazy("As a member of staff you get them only when you opt in.")
    )

    class Meta:
        model = NotificationPreference
        fields = (  # in the order of the page
            "web_enabled",
            "sound",
            "sound_high",
            "sound_medium",
            "sound_low",
            "push_enabled",
            "email_digest_enabled",
            "digest_time",
            "house_insights_for_staff",
            "min_confidence",
            "high_priority_only",
            "symbols_filter",
            "strategies_filter",
            "time_zone",
            "language",
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

    def sound_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in ("sound_high", "sound_medium", "sound_low")]

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
    shown |= {name: plain_time(getattr(preference, name)) for name in ("digest_time", *QUIET_TIMES)}
    if preference.paused_until is None:
        return shown
    local = preference.paused_until.astimezone(zone_or_utc(preference.time_zone))
    return shown | {"paused_until": local.replace(tzinfo=None).isoformat(timespec="seconds")}


def plain_time(time: dt.time) -> str:
    return time.isoformat("auto" if time.second else "minutes")


def _visible(name: str) -> str:
    return "".join(character if character.isprintable() else "�" for character in name)
