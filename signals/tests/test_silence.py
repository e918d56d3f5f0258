"""When a webhook has gone silent: far longer than its median gap, its long pauses and an hour, without weekends."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

import pytest
from django.contrib.auth.models import User

from signals import silence
from signals.models import Verdict, WebhookRequest, WebhookSource

MONDAY = dt.datetime(2026, 11, 16, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)

Speak = Callable[..., WebhookSource]

pytestmark = pytest.mark.django_db


@pytest.fixture
def speak(alice: User) -> Speak:
    """A source of Alice's with accepted alerts at these times."""

    def make(alerts: Sequence[dt.datetime], **fields: object) -> WebhookSource:
        values = {"user": alice, "name": "TradingView", "last_alert_at": max(alerts)} | fields
        source = WebhookSource(**values)
        source.rotate_token()
        source.save()
        say(source, alerts)
        return source

    return make


def say(source: WebhookSource, alerts: Sequence[dt.datetime], verdict: Verdict = Verdict.ACCEPTED) -> None:
    WebhookRequest.objects.bulk_create(
        [
            WebhookRequest(source=source, received_at=at, body_digest="", verdict=verdict, status_code=201)
            for at in alerts
        ]
    )


def every(gap: dt.timedelta, number: int = 40, *, begin: dt.datetime = MONDAY) -> list[dt.datetime]:
    return [begin + gap * count for count in range(number)]


def silent_at(now: dt.datetime) -> list[WebhookSource]:
    return [found.source for found in silence.find(now)]


def test_it_is_silent_after_ten_times_its_median_gap(speak: Speak) -> None:
    alerts = every(HOUR)
    source = speak(alerts)

    assert silent_at(alerts[-1] + 10 * HOUR) == []
    [found] = silence.find(alerts[-1] + 10 * HOUR + dt.timedelta(seconds=1))
    assert (found.source, found.since, found.usual_gap) == (source, alerts[-1], HOUR)


def test_one_that_speaks_every_minute_has_an_hour(speak: Speak) -> None:
    alerts = every(dt.timedelta(minutes=1))
    speak(alerts)

    assert silent_at(alerts[-1] + HOUR) == []
    assert len(silent_at(alerts[-1] + HOUR + dt.timedelta(seconds=1))) == 1


def test_the_night_of_one_that_speaks_by_day_only_is_no_silence(speak: Speak) -> None:
    quarter = dt.timedelta(minutes=15)
    alerts = [at for day in range(4) for at in every(quarter, 32, begin=MONDAY + day * DAY + 8 * HOUR)]
    speak(alerts)
    night = alerts[32] - alerts[31]

    assert night > 10 * quarter
    assert silent_at(alerts[-1] + night * 1.5) == []
    assert len(silent_at(alerts[-1] + night * 1.5 + quarter)) == 1


def test_two_outages_do_not_hide_the_next(speak: Speak) -> None:
    first = every(HOUR, 20)
    second = every(HOUR, 20, begin=first[-1] + 20 * HOUR)
    third = every(HOUR, 20, begin=second[-1] + 20 * HOUR)
    speak([*first, *second, *third])

    assert len(silent_at(third[-1] + 11 * HOUR)) == 1


def test_a_weekend_is_no_silence_and_a_silence_goes_on_after_it(speak: Speak) -> None:
    friday = MONDAY + 4 * DAY + 20 * HOUR
    alerts = [friday - HOUR * back for back in reversed(range(40))]
    speak(alerts)
    closes, opens = friday + 2 * HOUR, friday + 2 * DAY + 2 * HOUR  # 17:00 in New York is 22:00 UTC in winter

    assert silent_at(friday + DAY) == silent_at(opens) == []
    assert silent_at(opens + 8 * HOUR) == []
    assert len(silent_at(opens + 8 * HOUR + dt.timedelta(seconds=1))) == 1
    assert silence.market_time(opens) == silence.market_time(closes)


@pytest.mark.parametrize(
    "week", [dt.date(2026, 3, 2), dt.date(2026, 10, 26), dt.date(2026, 12, 28), dt.date(1999, 12, 27)]
)
def test_a_week_of_the_market_has_five_days_also_when_clocks_are_changed(week: dt.date) -> None:
    begin = dt.datetime.combine(week, dt.time(12), tzinfo=silence.NEW_YORK)

    assert silence.market_time(begin + 7 * DAY) - silence.market_time(begin) == 5 * DAY


def test_a_new_one_is_left_alone(speak: Speak) -> None:
    speak(every(HOUR, silence.MIN_ALERTS - 1))

    assert silent_at(MONDAY + 20 * DAY) == []


def test_refused_requests_are_no_alerts(speak: Speak) -> None:
    source = speak(every(HOUR, silence.MIN_ALERTS - 1))
    say(source, every(dt.timedelta(minutes=1), 50), Verdict.REFUSED)

    assert silent_at(MONDAY + 20 * DAY) == []


def test_a_paused_one_is_left_alone(speak: Speak) -> None:
    source = speak(every(HOUR), paused=True)
    assert silent_at(MONDAY + 20 * DAY) == []

    source.paused = False
    source.save()
    assert silent_at(MONDAY + 20 * DAY) == [source]


def test_only_its_last_alerts_count(speak: Speak) -> None:
    slowly = every(DAY / 2, 50, begin=MONDAY - 28 * DAY)
    alerts = every(dt.timedelta(minutes=5), silence.LAST_ALERTS)
    speak([*slowly, *alerts])

    assert len(silent_at(alerts[-1] + 2 * HOUR)) == 1


def test_an_episode_begins_once_and_ends_with_the_next_alert(speak: Speak) -> None:
    alerts = every(HOUR)
    source, now = speak(alerts), alerts[-1] + DAY
    [found] = silence.find(now)

    assert silence.begin_episode(found)
    assert not silence.begin_episode(found), "somebody else was faster"
    assert silence.find(now) == []
    assert list(silence.noticed()) == [source]

    WebhookSource.objects.update(last_alert_at=now)
    assert not silence.noticed().exists()
    source.refresh_from_db()
    assert not source.is_silent
    assert silent_at(now + DAY) == [source], "the next one is an episode of its own"


def test_an_alert_that_came_meanwhile_begins_no_episode(speak: Speak) -> None:
    alerts = every(HOUR)
    speak(alerts)
    [found] = silence.find(alerts[-1] + DAY)
    WebhookSource.objects.update(last_alert_at=alerts[-1] + DAY)

    assert not silence.begin_episode(found)
    assert not silence.noticed().exists()
