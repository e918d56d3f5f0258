"""Who would get an insight: what is foretold is what a dispatch then does."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifications import audience, brake, dispatching
from notifications.audience import Audience
from notifications.deciding import default_of
from notifications.models import (
    InsightDispatch,
    InsightNotification,
    NotificationDeliveryLog,
    NotificationPreference,
    OutgoingWebhook,
    PushSubscription,
)
from notifications.preferences import Channel, Facts, Reason, Verdict
from notifications.priority import Priority
from notifications.reasons import facts_of
from notifications.tests.rows import stored_rows
from notifications.tests.test_fan_out import moments, preferences, settle, unannounced
from signals.models import Signal

MakeSignal = Callable[..., Signal]

pytestmark = pytest.mark.django_db(transaction=True)

USERS = 8
DEFAULTS = {"min_confidence": Decimal(75), "push_enabled": True, "high_priority_only": True}


@pytest.fixture
def traders(db: None) -> list[User]:
    long_ago = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    users = [User.objects.create_user(f"trader{number}", date_joined=long_ago) for number in range(USERS)]
    OutgoingWebhook.objects.bulk_create(OutgoingWebhook(user=user, url="https://a.example/") for user in users[::2])
    PushSubscription.objects.bulk_create(
        PushSubscription(user=user, endpoint=f"https://a.example/{user.pk}/{name}")
        for user in users[::3]
        for name in ("phone", "laptop")
    )
    return users


@st.composite
def populations(draw: st.DrawFn) -> tuple[dt.datetime, str, list[dict[str, Any] | None]]:
    now = draw(moments)
    wanted = st.lists(st.none() | preferences(now), min_size=USERS, max_size=USERS)
    return now, draw(st.sampled_from(["SMC", "ZenithEdge"])), draw(wanted)


@given(population=populations(), owned=st.sampled_from([False, False, True]), changed=st.booleans())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_dispatch_does_what_is_foretold(
    traders: list[User], make_signal: MakeSignal, population: Any, owned: bool, changed: bool
) -> None:
    """With other defaults: as after whoever has the present ones got the others."""
    now, strategy, wanted = population
    with time_machine.travel(now, tick=False), transaction.atomic():
        signal = unannounced(make_signal, traders[0] if owned else None, strategy=strategy)
        for trader, wishes in zip(traders, wanted, strict=True):
            settle(trader, signal, readable(wishes) if changed else wishes, [], 0)

        foretold = audience.look(signal, facts_of(signal), now, DEFAULTS if changed else {})

        if changed:
            change_rows(traders)
        assert in_short(foretold) == what_a_dispatch_does(signal)
        transaction.set_rollback(True)


def test_it_writes_and_sends_nothing(traders: list[User], make_signal: MakeSignal, hints: list[Any]) -> None:
    signal = unannounced(make_signal)
    before = stored_rows()

    audience.look(signal, facts_of(signal), timezone.now(), DEFAULTS)

    assert stored_rows() == before
    assert hints == []


def test_it_tells_at_whose_clocks_it_is_night(traders: list[User], make_signal: MakeSignal) -> None:
    noon = dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)
    NotificationPreference.objects.filter(user__in=traders[:3]).update(time_zone="Pacific/Auckland", min_confidence=0)
    NotificationPreference.objects.filter(user__in=traders[3:]).update(time_zone="UTC", min_confidence=0)

    found = audience.look(unannounced(make_signal), an_insight(70), noon)

    assert (found.tried.reached, found.tried.at_night) == (USERS, 3)


def test_other_defaults_change_nothing_for_who_has_chosen(traders: list[User], make_signal: MakeSignal) -> None:
    chosen = NotificationPreference.objects
    chosen.filter(user=traders[0]).update(min_confidence=40)
    chosen.filter(user=traders[1]).update(min_confidence=90)
    chosen.filter(user=traders[2]).delete()
    signal, now = unannounced(make_signal), timezone.now()

    stricter = audience.look(signal, an_insight(70), now, {"min_confidence": Decimal(75)})
    laxer = audience.look(signal, an_insight(60), now, {"min_confidence": Decimal(50)})

    assert [member.user_id for member in stricter.members if member.tried.reached] == [traders[0].pk]
    assert {member.user_id for member in laxer.members if not member.tried.reached} == {traders[1].pk}
    assert (stricter.today.reached, laxer.today.reached) == (USERS - 1, 1)


def test_a_channel_reaches_only_who_has_somewhere_for_it_to_go(traders: list[User], make_signal: MakeSignal) -> None:
    NotificationPreference.objects.filter(user__in=traders).update(push_enabled=True, web_enabled=False)

    found = audience.look(unannounced(make_signal), an_insight(90), timezone.now())

    assert found.tried.channels == {"push": len(traders[::3])}
    assert found.tried.reached == len(traders[::3])


def test_it_foretells_what_comes_after_the_brake(traders: list[User], make_signal: MakeSignal) -> None:
    brake.engage("A source went mad", by=None, name="ada")

    assert audience.look(unannounced(make_signal), an_insight(90), timezone.now()).tried.reached == USERS


def test_it_asks_as_many_queries_for_many_as_for_few(
    traders: list[User], make_signal: MakeSignal, django_assert_max_num_queries: Any
) -> None:
    signal = unannounced(make_signal)
    with django_assert_max_num_queries(12):
        audience.look(signal, an_insight(70), timezone.now(), DEFAULTS)


# --- The page -------------------------------------------------------------------------------------------------------


def look_at(client: Client, **fields: Any) -> Any:
    return client.get(reverse("admin:notifications_audience"), fields)


@pytest.fixture
def ada_client(ada: User, client: Client) -> Client:
    client.force_login(ada)
    return client


def test_the_page_tells_of_an_insight_that_there_is(
    traders: list[User], make_signal: MakeSignal, ada_client: Client
) -> None:
    signal = unannounced(make_signal)  # 82
    NotificationPreference.objects.filter(user=traders[0]).update(min_confidence=90)

    context = look_at(ada_client, signal=signal.pk).context

    assert (context["found"].tried.reached, context["found"].tried.users) == (USERS - 1, USERS)
    assert context["found"].tried.suppressed == {Reason.BELOW_MIN_CONFIDENCE: 1}


def test_the_page_tells_what_other_defaults_would_change(traders: list[User], ada_client: Client) -> None:
    NotificationPreference.objects.filter(user=traders[0]).update(min_confidence=40)
    thought_up = {"symbol": "EURUSD", "strategy": "SMC", "confidence": "70", "priority": "medium"}

    response = look_at(ada_client, **thought_up, min_confidence="75", who="changed")

    found = response.context["found"]
    assert (found.today.reached, found.tried.reached) == (USERS, 1)
    assert [row["user"].username for row in response.context["page"]] == [user.username for user in traders[1:]]


def test_the_page_takes_and_gives_the_moment_by_utc(make_signal: MakeSignal, ada: User, ada_client: Client) -> None:
    NotificationPreference.objects.filter(user=ada).update(time_zone="Asia/Tokyo")

    response = look_at(ada_client, signal=unannounced(make_signal).pk, moment="2026-03-04T23:30")

    assert response.context["now"] == dt.datetime(2026, 3, 4, 23, 30, tzinfo=dt.UTC)
    assert "2026-03-04 23:30 UTC" in response.content.decode()


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"symbol": "EURUSD"}, ["strategy", "confidence", "priority"]),
        ({"signal": "999999"}, ["signal"]),
        ({"symbol": "EURUSD", "strategy": "SMC", "confidence": "170", "priority": "high"}, ["confidence"]),
        ({"symbol": "EURUSD", "strategy": "SMC", "confidence": "70", "priority": "urgent"}, ["priority"]),
    ],
)
def test_the_page_says_what_is_missing(ada_client: Client, fields: dict[str, str], wrong: list[str]) -> None:
    response = look_at(ada_client, **fields)

    assert response.status_code == 200
    assert sorted(response.context["form"].errors) == sorted(wrong)
    assert "found" not in response.context


def test_the_page_is_for_who_may_see_preferences(alice: User, client: Client) -> None:
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    client.force_login(alice)

    assert look_at(client).status_code == 403


def test_the_page_of_a_signal_leads_to_it(make_signal: MakeSignal, ada_client: Client) -> None:
    signal = make_signal()
    page = ada_client.get(reverse("admin:signals_signal_change", args=[signal.pk])).content.decode()

    assert f"{reverse('admin:notifications_audience')}?signal={signal.pk}" in page


# --- Both sides -----------------------------------------------------------------------------------------------------


def an_insight(confidence: int) -> Facts:
    return Facts("EURUSD", "SMC", Decimal(confidence), Priority.MEDIUM)


def change_rows(traders: Sequence[User]) -> None:
    """Give whoever has the present default the other one."""
    for trader in traders:
        NotificationPreference.objects.get_or_create(user=trader)
    for name, value in DEFAULTS.items():
        NotificationPreference.objects.filter(**{name: default_of(name)}).update(**{name: value})


def readable(wishes: dict[str, Any] | None) -> dict[str, Any] | None:
    """Who has a row that cannot be read has the defaults, and no change of a row can show what other ones would do."""
    if wishes is None:
        return None
    plain = {"strategies_filter": [], "symbols_filter": [], "quiet_weekdays": [0, 2, 5]}
    return wishes | plain


def in_short(found: Audience) -> dict[str, Any]:
    """What a dispatch leaves behind, as it was foretold."""
    fates = {member.user_id: member.tried for member in found.members}
    suppressing = sum(found.tried.suppressed.values())
    assert found.tried.users == found.tried.held + suppressing + sum(
        fate.verdict is Verdict.SEND for fate in fates.values()
    )
    return {
        "reasons": Counter(fate.reason.value for fate in fates.values()),
        "held": {user_id for user_id, fate in fates.items() if fate.verdict is Verdict.HOLD},
        "channels": {
            channel: {user_id for user_id, fate in fates.items() if channel in fate.channels}
            for channel in ("websocket", "push", "webhook")
        },
    }


def what_a_dispatch_does(signal: Signal) -> dict[str, Any]:
    dispatch = InsightDispatch.objects.create(signal=signal, revision=1, fingerprint="", opened_at=timezone.now())
    dispatching.run(dispatch.pk)
    dispatch.refresh_from_db()
    rows = InsightNotification.objects.filter(signal=signal)
    deliveries = NotificationDeliveryLog.objects.filter(notification__signal=signal)
    return {
        "reasons": Counter(dispatch.counts.get("reasons", {})),
        "held": set(rows.held().values_list("user_id", flat=True)),
        "channels": {
            channel.value: set(deliveries.filter(channel=channel).values_list("notification__user_id", flat=True))
            for channel in (Channel.WEBSOCKET, Channel.PUSH, Channel.WEBHOOK)
        },
    }
