"""Takes away what was made up, and what has come of it since."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q, QuerySet

from notifications.models import (
    DigestRun,
    InsightDispatch,
    InsightNotification,
    NotificationDeliveryLog,
    SuppressedInsight,
)
from notifications.seeding.marks import ORIGIN, TOKEN_MARK, seeded_users
from notifications.seeding.tables import Report
from signals.models import Signal, TradeValidation, WebhookRequest, WebhookSource

PEOPLE_AT_ONCE = 250


def remove(report: Report, should_stop: Callable[[], bool] = lambda: False) -> bool:
    """Delete what `fill` made and what has come of it since; False when it was asked to stop before the end."""
    while user_ids := list(seeded_users().order_by("pk").values_list("pk", flat=True)[:PEOPLE_AT_ONCE]):
        if should_stop():
            return False
        with transaction.atomic():
            _delete_of_users(user_ids)
        report("accounts", len(user_ids))
    house = Signal.objects.filter(source=ORIGIN, user__isnull=True, webhook_source__token_hash__startswith=TOKEN_MARK)
    while signal_ids := list(house.order_by("pk").values_list("pk", flat=True)[:PEOPLE_AT_ONCE]):
        if should_stop():
            return False
        Signal.objects.filter(pk__in=signal_ids).delete()
        report("insights", len(signal_ids))
    WebhookSource.objects.filter(token_hash__startswith=TOKEN_MARK).delete()
    return True


def _delete_of_users(user_ids: Sequence[int]) -> None:
    """The many rows by one statement each, children first; what else hangs on the accounts is left to Django."""
    of_user = Q(user__in=user_ids)
    notifications = InsightNotification.objects.filter(of_user)
    signals = Signal.objects.filter(of_user)
    _raw_delete(NotificationDeliveryLog.objects.filter(notification__in=notifications.values("pk")))
    _raw_delete(notifications)
    _raw_delete(SuppressedInsight.objects.filter(of_user))
    _raw_delete(InsightDispatch.objects.filter(signal__in=signals.values("pk")))
    _raw_delete(TradeValidation.objects.filter(signal__in=signals.values("pk")))
    _raw_delete(WebhookRequest.objects.filter(source__user__in=user_ids))
    _raw_delete(DigestRun.objects.filter(of_user))
    signals.delete()
    get_user_model()._default_manager.filter(pk__in=user_ids).delete()


def _raw_delete(rows: QuerySet[Any]) -> None:
    rows.order_by()._raw_delete(rows.db)
