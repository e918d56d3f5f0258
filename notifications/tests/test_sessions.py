"""Sessions whose time is over do not stay in the table for ever."""

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from notifications import sessions
from notifications.schedule import JOBS

pytestmark = pytest.mark.django_db(transaction=True)


def test_expired_sessions_go_and_nobody_is_asked_to_look_for_them(
    alice: User, bob: User, hints: list[tuple[int, Any]]
) -> None:
    for user in (alice, bob):
        Client().force_login(user)
    ended = Session.objects.order_by("pk")[0]
    Session.objects.filter(pk=ended.pk).update(expire_date=timezone.now() - dt.timedelta(seconds=1))
    hints.clear()

    sessions.clear_expired()

    assert Session.objects.count() == 1
    assert not Session.objects.filter(pk=ended.pk).exists()
    assert hints == []


def test_the_schedule_clears_them_each_day() -> None:
    assert [job.every_s for job in JOBS if job.function == sessions.clear_expired] == [24 * 60 * 60]
