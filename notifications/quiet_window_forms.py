"""Quiet windows as a page posts them and as JSON brings them: the same fields, the same errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications.forms import WEEKDAYS, plain_time, time_field
from notifications.http import FieldErrors
from notifications.models import NotificationPreference, QuietWindow
from notifications.quiet import Window
from notifications.quieting import MAX_WINDOWS

FORM_PREFIX = "windows"


class QuietWindowForm(forms.Form):
    """One further window; `window` is what a valid one says."""

    start = time_field(gettext_lazy("From"))
    end = time_field(gettext_lazy("Until"))
    weekdays = forms.TypedMultipleChoiceField(
        label=gettext_lazy("On these days"),
        choices=list(enumerate(WEEKDAYS)),
        coerce=int,
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "required": gettext_lazy("Choose at least one day, or remove the window."),
            "invalid_choice": gettext_lazy("Choose days from 0 (Monday) to 6 (Sunday); %(value)s is none."),
        },
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("start", "end"):
            self.fields[name].widget.attrs["class"] = "form-control"
        self.fields["weekdays"].widget.attrs["class"] = "form-check-input"

    @property
    def window(self) -> Window:
        given = self.cleaned_data
        return Window(given["start"], given["end"], frozenset(given["weekdays"]))


class _FormSet(forms.BaseFormSet):  # type: ignore[type-arg]  # generic in the stubs only
    """Every form stands for a window: an added one without times is an error, not nothing."""

    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        return {**super().get_form_kwargs(index), "empty_permitted": False, "use_required_attribute": False}

    @property
    def windows(self) -> list[Window]:
        """Of a valid set, without those that are to be removed."""
        return [form.window for form in self.forms if form not in self.deleted_forms]


QuietWindowFormSet = forms.formset_factory(
    QuietWindowForm,
    formset=_FormSet,
    extra=0,
    can_delete=True,
    max_num=MAX_WINDOWS,
    absolute_max=2 * MAX_WINDOWS,
    validate_max=True,
)


def form_set(windows: Iterable[Window]) -> Any:
    """An unbound set that shows these."""
    return QuietWindowFormSet(initial=[as_initial(window) for window in windows], prefix=FORM_PREFIX)


def posted_set(posted: QueryDict) -> Any:
    """The set that a page has posted; None when it has posted nothing about windows."""
    return QuietWindowFormSet(posted, prefix=FORM_PREFIX) if f"{FORM_PREFIX}-TOTAL_FORMS" in posted else None


def as_initial(window: Window) -> dict[str, Any]:
    return {"start": plain_time(window.start), "end": plain_time(window.end), "weekdays": sorted(window.weekdays)}


def stored_windows(preference: NotificationPreference) -> list[Window]:
    """The user's further windows, as they are saved."""
    if not preference.pk:
        return []
    return [window.rule for window in QuietWindow.objects.filter(preference=preference)]


def read_windows(given: list[dict[str, Any]]) -> tuple[list[Window], FieldErrors]:
    """The windows of a JSON body whose types are right; else why, by field: `quiet_windows.0.start`."""
    if len(given) > MAX_WINDOWS:
        return [], {"quiet_windows": [_("At most %(most)d further windows.") % {"most": MAX_WINDOWS}]}
    forms_ = [QuietWindowForm(window) for window in given]
    errors = {
        f"quiet_windows.{index}.{name}": [str(text) for text in texts]
        for index, form in enumerate(forms_)
        for name, texts in form.errors.items()
    }
    return ([] if errors else [form.window for form in forms_]), errors
