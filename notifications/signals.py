"""Receivers only. Inside a caller's transaction each does as little as it can, and never harms the caller."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.models.signals import post_delete, post_save, pre_save
from django.dispatch import receiver
from django.http import HttpRequest

from notifications import changes, devices, dispatching, lifecycle, realtime, worker
from notifications.models import ChangeKind, DispatchState, Inbox, InsightDispatch, NotificationPreference, QuietWindow
from signals.events import insights_reversed, insights_settled
from signals.models import Signal, TradeValidation

logger = logging.getLogger(__name__)


@receiver(post_save, sender=TradeValidation, dispatch_uid="notifications.record_insight")
def record_insight(sender: type[TradeValidation], instance: TradeValidation, raw: bool, **kwargs: Any) -> None:
    """Record, in the caller's transaction, that this insight is to be dispatched; have it run after the commit.

    A row in a savepoint and nothing else: no lock on anybody's inbox, and whatever goes wrong is logged and left to
    the sweep, so that the trade is stored in any case. Insights of a fixture are history: recorded as closed.

    Raises only when the connection was lost and the caller's transaction with it: Django would roll that back without
    a word at its end, and the caller take the trade for stored.
    """
    try:
        with transaction.atomic():
            state = DispatchState.CLOSED if raw else DispatchState.OPEN
            dispatch_id = dispatching.open_revision(instance, state=state)
    except Exception:
        if connection.in_atomic_block and connection.needs_rollback:
            raise
        logger.exception("The dispatch of insight %s could not be recorded; the sweep will", instance.signal_id)
        return
    if dispatch_id is None or raw:
        return
    if instance.signal.user_id is None:
        transaction.on_commit(partial(worker.wake_for_everyone, dispatch_id), robust=True)
    else:
        worker.wake_after_commit(dispatch_id)


@receiver(insights_settled, dispatch_uid="notifications.record_settled")
def record_settled(sender: type[Signal], signal_ids: list[int], owner_id: int | None, **kwargs: Any) -> None:
    _record_change(ChangeKind.SETTLED, signal_ids, owner_id)


@receiver(insights_reversed, dispatch_uid="notifications.record_reversed")
def record_reversed(sender: type[Signal], signal_ids: list[int], owner_id: int | None, **kwargs: Any) -> None:
    _record_change(ChangeKind.REVERSED, signal_ids, owner_id)


def _record_change(kind: ChangeKind, signal_ids: list[int], owner_id: int | None) -> None:
    """As `record_insight`: a row in a savepoint of the caller's transaction, and the rest after the commit.

    A change that could not be recorded moves no position: its holders see it when they next load a page.
    """
    try:
        with transaction.atomic():
            change_ids = changes.record(kind, signal_ids, owner_id=owner_id)
    except Exception:
        if connection.in_atomic_block and connection.needs_rollback:
            raise
        logger.exception("That insights %s were %s could not be recorded", signal_ids, kind)
        return
    for change_id in change_ids:
        transaction.on_commit(partial(worker.wake_change, change_id, house=owner_id is None), robust=True)


@receiver(pre_save, sender=InsightDispatch, dispatch_uid="notifications.replace_recorded_dispatch")
def replace_recorded_dispatch(
    sender: type[InsightDispatch], instance: InsightDispatch, raw: bool, **kwargs: Any
) -> None:
    """A fixture's own dispatch takes the place of the closed one that was made when its insight was loaded."""
    if raw:
        same = InsightDispatch.objects.filter(signal_id=instance.signal_id, revision=instance.revision)
        same.exclude(pk=instance.pk).delete()


@receiver(post_save, sender=settings.AUTH_USER_MODEL, dispatch_uid="notifications.welcome_account")
def welcome_account(sender: type[User], instance: User, created: bool, raw: bool, **kwargs: Any) -> None:
    """Every account has preferences and an inbox from the moment it exists; a fixture brings its own."""
    if created and not raw:
        NotificationPreference.objects.get_or_create(user=instance)
        Inbox.objects.get_or_create(user=instance)


@receiver(post_save, sender=NotificationPreference, dispatch_uid="notifications.reconsider_held")
def reconsider_held(
    sender: type[NotificationPreference], instance: NotificationPreference, created: bool, raw: bool, **kwargs: Any
) -> None:
    if not created and not raw:
        lifecycle.reconsider_held(instance.user_id, instance.rules())


@receiver([post_save, post_delete], sender=QuietWindow, dispatch_uid="notifications.reconsider_held_by_windows")
def reconsider_held_by_windows(sender: type[QuietWindow], instance: QuietWindow, **kwargs: Any) -> None:
    """None are left to reconsider when the window goes together with its preferences."""
    preference = NotificationPreference.objects.filter(pk=instance.preference_id).first()
    if preference is not None and not kwargs.get("raw"):
        lifecycle.reconsider_held(preference.user_id, preference.rules())


@receiver(post_save, sender=settings.AUTH_USER_MODEL, dispatch_uid="notifications.recheck_changed_account")
def recheck_changed_account(
    sender: type[User],
    instance: User,
    created: bool,
    update_fields: frozenset[str] | None,
    **kwargs: Any,
) -> None:
    """A changed password and `is_active=False` close the sockets; a mere sign-in (`last_login`) concerns none."""
    if not created and (update_fields is None or not update_fields.isdisjoint({"password", "is_active"})):
        realtime.request_recheck(instance.pk)


@receiver(post_delete, sender=settings.AUTH_USER_MODEL, dispatch_uid="notifications.recheck_deleted_account")
def recheck_deleted_account(sender: type[User], instance: User, **kwargs: Any) -> None:
    realtime.request_recheck(instance.pk)


@receiver(user_logged_out, dispatch_uid="notifications.forget_browser")
def forget_browser(sender: object, request: HttpRequest, **kwargs: Any) -> None:
    """A push would show the insights of who has signed out to whoever has the device now."""
    devices.forget_browser(request.COOKIES.get(devices.BROWSER_COOKIE, ""))


@receiver(user_logged_in, dispatch_uid="notifications.forget_others_at_browser")
def forget_others_at_browser(sender: object, request: HttpRequest, user: User, **kwargs: Any) -> None:
    """The session before had ended by itself, and was somebody else's."""
    devices.forget_browser(request.COOKIES.get(devices.BROWSER_COOKIE, ""), but_of=user)


@receiver(post_delete, sender=Session, dispatch_uid="notifications.recheck_ended_session")
def recheck_ended_session(sender: type[Session], instance: Session, **kwargs: Any) -> None:
    """Log-out deletes the session row after `user_logged_out` was sent, so the row's end is what counts."""
    user_id = instance.get_decoded().get("_auth_user_id")
    if user_id is not None and str(user_id).isdecimal():
        realtime.request_recheck(int(user_id))
