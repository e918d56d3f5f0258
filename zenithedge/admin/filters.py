"""Filters at the side of a list that list nothing themselves: neither ten thousand users nor each value of a column."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext_lazy as _

from zenithedge.admin.searching import id_of


class _FormFilter(admin.FieldListFilter):
    """A small form that sends the rest of the address along."""

    template = "admin/filters/form.html"

    def parameters(self) -> list[str]:
        raise NotImplementedError

    def expected_parameters(self) -> list[str | None]:
        return [*self.parameters()]

    def choices(self, changelist: Any) -> Iterator[Any]:
        own = self.parameters()
        yield {
            "query_string": changelist.get_query_string(remove=own),
            "others": [
                (name, value)
                for name, values in changelist.filter_params.items()
                if name not in own
                for value in (values if isinstance(values, list) else [values])
            ],
            "fields": list(self.form()),
            "set": any(self.chosen(name) for name in own),
        }

    def form(self) -> forms.Form:
        raise NotImplementedError

    def chosen(self, parameter: str) -> str:
        values: Any = self.used_parameters.get(parameter) or [""]
        return str(values[-1])


class ChosenFilter(_FormFilter):
    """One row of another model, found by that model's own search. Its address is that of Django's own filter."""

    def parameters(self) -> list[str]:
        return [f"{self.field_path}__id__exact"]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        (name,) = self.parameters()
        value = self.chosen(name)
        if not value:
            return queryset
        number = id_of(value)
        if number is None:
            raise IncorrectLookupParameters(f"{name} is no id")
        return queryset.filter(**{self.field_path: number})

    def form(self) -> forms.Form:
        (name,) = self.parameters()
        model: Any = self.field.related_model
        field = forms.ModelChoiceField(
            model._default_manager.all(),
            label="",
            required=False,
            widget=AutocompleteSelect(self.field, admin.site, attrs={"aria-label": self.title}),
        )
        return _form({name: field}, {name: self.chosen(name)})


class ValueFilter(_FormFilter):
    """One value, written out."""

    def parameters(self) -> list[str]:
        return [self.field_path]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.chosen(self.field_path)
        try:
            return queryset.filter(**{self.field_path: value}) if value else queryset
        except ValueError as error:
            raise IncorrectLookupParameters from error

    def form(self) -> forms.Form:
        widget = forms.TextInput(attrs={"aria-label": self.title})
        field = forms.CharField(label="", required=False, widget=widget)
        return _form({self.field_path: field}, {self.field_path: self.chosen(self.field_path)})


class DaysFilter(_FormFilter):
    """From one day to another, both included, by the clock of the site. For columns that an index is on."""

    def parameters(self) -> list[str]:
        return [f"{self.field_path}_from", f"{self.field_path}_until"]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        first, last = (self._day(name) for name in self.parameters())
        if first:
            queryset = queryset.filter(**{f"{self.field_path}__gte": _begin(first)})
        if last:
            queryset = queryset.filter(**{f"{self.field_path}__lt": _begin(last + dt.timedelta(days=1))})
        return queryset

    def form(self) -> forms.Form:
        widget = forms.DateInput(attrs={"type": "date"})
        labels = zip(self.parameters(), (_("From"), _("Until")), strict=True)
        fields = {name: forms.CharField(label=label, required=False, widget=widget) for name, label in labels}
        return _form(fields, {name: self.chosen(name) for name in fields})

    def _day(self, name: str) -> dt.date | None:
        value = self.chosen(name)
        try:
            day = parse_date(value) if value else None
        except ValueError as error:
            raise IncorrectLookupParameters from error
        if value and (day is None or not dt.date.min < day < dt.date.max):
            raise IncorrectLookupParameters(f"{name} is no day")
        return day


def _begin(day: dt.date) -> dt.datetime:
    return timezone.make_aware(dt.datetime.combine(day, dt.time()))


def _form(fields: Mapping[str, forms.Field], initial: dict[str, str]) -> forms.Form:
    """Unbound: what was asked for is shown, and checked where it is used."""
    form = forms.Form(initial={name: value for name, value in initial.items() if value}, auto_id="filter_%s")
    form.fields.update(fields)
    return form
