"""What is one entry of a list: an insight's present revision, and its repeats within minutes of each other.

An entry is shown as the one of its rows that matters most: unread before read, then the higher priority, so that a
repeat never hides one, then the newest. It stands at the time of that row: a repeat that matters as much takes the
entry up, one that matters less is only counted. `InsightNotification.repeat_of` holds an entry together.
"""

from __future__ import annotations

from django.db.models import BigIntegerField, Case, Count, Exists, IntegerField, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce

from notifications.models import InsightNotification, InsightNotificationQuerySet
from notifications.priority import Priority


def entries(rows: InsightNotificationQuerySet) -> InsightNotificationQuerySet:
    """Of one user's rows, those that stand for their entries; each with `times`, how many rows its entry has."""
    current = rows.filter(superseded_by__isnull=True).alias(weight=_weight())
    same = Q(repeat_of=OuterRef("first_id")) | Q(pk=OuterRef("first_id"))
    above = current.filter(same).filter(
        Q(weight__gt=OuterRef("weight")) | Q(weight=OuterRef("weight"), pk__gt=OuterRef("pk"))
    )
    own = InsightNotification.objects.filter(same, user=OuterRef("user"), superseded_by__isnull=True).order_by()
    times = own.values("user").annotate(times=Count("pk")).values("times")
    return (
        current.alias(first_id=Coalesce("repeat_of", "pk", output_field=BigIntegerField()))
        .filter(~Exists(above.order_by()))
        .annotate(times=Coalesce(Subquery(times, output_field=IntegerField()), 1))
    )


def of_entry(notification: InsightNotification) -> Q:
    """The rows of the entry that this one belongs to."""
    first_id = notification.repeat_of or notification.pk
    return Q(repeat_of=first_id) | Q(pk=first_id)


def of_entries(notifications: InsightNotificationQuerySet) -> Q:
    firsts = notifications.annotate(first_id=Coalesce("repeat_of", "pk", output_field=BigIntegerField())).values(
        "first_id"
    )
    return Q(repeat_of__in=firsts) | Q(pk__in=firsts)


def _weight() -> Case:
    """Larger for what stands for its entry."""
    unread = Q(seq__isnull=False, read=False, expired_at__isnull=True)
    ranks = Case(
        *(When(priority=priority, then=Value(priority.rank)) for priority in Priority), output_field=IntegerField()
    )
    return Case(When(unread, then=ranks + Value(len(Priority))), default=ranks, output_field=IntegerField())
