"""Deletion from the admin: counts of what goes along instead of the rows themselves, and a few rows in hand at a time.

Django's own collects every dependent row as an object, to name each and to delete them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from django.db.models import CASCADE, SET_NULL, Model, Q, QuerySet
from django.db.models.signals import post_delete, pre_delete
from django.utils.formats import number_format
from django.utils.translation import gettext as _

# What goes in one transaction, behind one click. The rest of the site waits for none of it, but the click does.
MOST_ROWS = 100_000
MOST_CHOSEN = 100
BATCH = 2000  # SQLite takes 32,766 parameters in a statement


class Dependent(NamedTuple):
    """A model whose rows go along, and the ways from it to the rows that are deleted."""

    model: type[Model]
    paths: list[str]

    def rows(self, chosen: Sequence[Model]) -> Iterator[QuerySet[Any]]:
        """For each way those that no way before leads to, so that an index answers each."""
        before = Q()
        for path in self.paths:
            found = Q(**{f"{path}__in": chosen})
            rows = self.model._base_manager.filter(found).order_by()
            yield rows.exclude(before) if before else rows
            before |= found


def dependents(model: type[Model]) -> list[Dependent]:
    """Those that point to a model come before it."""
    ways: dict[type[Model], list[str]] = {}
    _follow(model, "", (model,), ways)
    order = sorted(ways, key=lambda each: -max(path.count("__") for path in ways[each]))
    return [Dependent(each, ways[each]) for each in order]


def counts(chosen: Sequence[Model]) -> dict[str, int]:
    """By the name of the kind; each up to one more than MOST_ROWS."""
    meta = chosen[0]._meta
    found = {str(meta.verbose_name_plural): len(chosen)}
    for dependent in dependents(type(chosen[0])):
        count = sum(rows[: MOST_ROWS + 1].count() for rows in dependent.rows(chosen))
        if count:
            found[str(dependent.model._meta.verbose_name_plural)] = min(count, MOST_ROWS + 1)
    return found


def objection(counted: dict[str, int], advice: str) -> str:
    """Why so much is not deleted, and what to do; empty when it is."""
    if sum(counted.values()) <= MOST_ROWS:
        return ""
    limit = number_format(MOST_ROWS, force_grouping=True)
    return _("More than %(limit)s rows would go with it, too many at once.") % {"limit": limit} + f" {advice}"


def delete_dependents(chosen: Sequence[Model]) -> None:
    """Delete in batches whatever is not to hear of its end; the rest is for Django's own `delete`."""
    left: set[type[Model]] = set()
    for dependent in dependents(type(chosen[0])):
        if _is_told(dependent.model) or any(field.model in left for field in _pointers(dependent.model)):
            left.add(dependent.model)
            continue
        for rows in dependent.rows(chosen):
            while ids := list(rows.values_list("pk", flat=True)[:BATCH]):
                _delete(dependent.model, ids)


def _delete(model: type[Model], ids: list[Any]) -> None:
    for field in _pointers(model):
        if field.remote_field.on_delete is SET_NULL:
            field.model._base_manager.filter(**{f"{field.name}__in": ids}).update(**{field.name: None})
    rows: Any = model._base_manager.filter(pk__in=ids)
    rows._raw_delete(rows.db)


def _follow(model: type[Model], path: str, seen: tuple[type[Model], ...], ways: dict[type[Model], list[str]]) -> None:
    for field in _pointers(model):
        if field.remote_field.on_delete is CASCADE and field.model not in seen:
            way = f"{field.name}__{path}" if path else field.name
            ways.setdefault(field.model, []).append(way)
            _follow(field.model, way, (*seen, field.model), ways)


def _pointers(model: type[Model]) -> Iterable[Any]:
    """The foreign keys to the model."""
    for relation in model._meta.get_fields(include_hidden=True):
        if relation.auto_created and not relation.concrete and (relation.one_to_one or relation.one_to_many):
            yield relation.field  # type: ignore[union-attr]  # the conditions above say that it is a relation


def _is_told(model: type[Model]) -> bool:
    return pre_delete.has_listeners(model) or post_delete.has_listeners(model)
