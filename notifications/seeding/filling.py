"""Stores a plan, each part in transactions of its own. Nothing is dispatched, sent or hinted."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import count

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.db import transaction

from notifications.models import (
    DigestRun,
    Inbox,
    InsightDispatch,
    InsightNotification,
    Mute,
    NotificationDeliveryLog,
    NotificationPreference,
    OutgoingWebhook,
    PreferenceVersion,
    PushSubscription,
    QuietWindow,
    SuppressedInsight,
)
from notifications.preferences import Channel
from notifications.seeding import people, rows, streams
from notifications.seeding.insights import Insight
from notifications.seeding.marks import EMAIL_DOMAIN, NAME_PREFIX, TOKEN_MARK
from notifications.seeding.people import Person
from notifications.seeding.planning import Plan
from notifications.seeding.streams import Arrival, Stream
from notifications.seeding.tables import Report, Row, Table, reserve_ids
from signals.models import Signal, TradeValidation, WebhookRequest, WebhookSource
from zenithedge.chunks import chunks

PEOPLE_AT_ONCE = 250
ROWS_AT_ONCE = 5000
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"


def fill(made: Plan, report: Report, should_stop: Callable[[], bool] = lambda: False) -> bool:
    """Store the plan, each part in transactions of its own; False when it was asked to stop before the end.

    `report` is told what was written, and how many rows.
    """
    with transaction.atomic():
        _write_people(made)
        _write_sources(made)
    report("accounts", len(made.people))
    made_insights = _write_insights(made, report, should_stop)
    return made_insights and _write_streams(made, report, should_stop) and _write_digests(made, report, should_stop)


def _write_people(made: Plan) -> None:
    model = get_user_model()
    users = [
        model(
            username=f"{NAME_PREFIX}{person.number:05}",
            email=f"{NAME_PREFIX}{person.number:05}@{EMAIL_DOMAIN}",
            password=make_password(None),
            is_active=person.active,
            date_joined=person.joined,
        )
        for person in made.people
    ]
    for person, user in zip(made.people, model._default_manager.bulk_create(users, batch_size=1000), strict=True):
        person.user_id = user.pk
    preferences = NotificationPreference.objects.bulk_create(map(_preference, made.people), batch_size=1000)
    windows, mutes, versions = [], [], []
    for person, preference in zip(made.people, preferences, strict=True):
        rules = person.profile.rules
        windows += [
            QuietWindow(preference=preference, start=window.start, end=window.end, weekdays=sorted(window.weekdays))
            for window in rules.quiet_windows
        ]
        mutes += [Mute(user_id=person.user_id, kind=mute.kind, name=mute.name) for mute in rules.mutes]
        versions += [
            PreferenceVersion(
                user_id=person.user_id, snapshot=held.as_json(), valid_from=since, changed_by_id=person.user_id
            )
            for since, held in people.versions_of(person)
        ]
    QuietWindow.objects.bulk_create(windows, batch_size=1000)
    Mute.objects.bulk_create(mutes, batch_size=1000)
    PreferenceVersion.objects.bulk_create(versions, batch_size=1000)
    _write_targets(made)


def _preference(person: Person) -> NotificationPreference:
    rules = person.profile.rules
    return NotificationPreference(
        user_id=person.user_id,
        web_enabled=rules.web_enabled,
        push_enabled=rules.push_enabled,
        email_digest_enabled=rules.email_digest_enabled,
        webhook_enabled=rules.webhook_enabled,
        min_confidence=rules.min_confidence,
        strategies_filter=sorted(rules.strategies),
        symbols_filter=sorted(rules.symbols),
        high_priority_only=rules.high_priority_only,
        quiet_hours_enabled=rules.quiet_hours_enabled,
        quiet_start_time=rules.quiet_start,
        quiet_end_time=rules.quiet_end,
        quiet_weekdays=sorted(rules.quiet_weekdays),
        quiet_mode=rules.quiet_mode,
        urgent_bypasses_quiet=rules.urgent_bypasses_quiet,
        time_zone=rules.time_zone,
        paused_until=rules.paused_until,
        digest_time=person.profile.digest_time,
    )


def _write_targets(made: Plan) -> None:
    """Browsers and addresses that nothing can be sent to: `.invalid` has no hosts."""
    subscriptions = Table(PushSubscription, "id user_id endpoint p256dh auth user_agent created_at")
    next_id = count(reserve_ids(PushSubscription, sum(person.devices for person in made.people)))
    rows: list[Row] = []
    for person in made.people:
        person.device_ids = [next(next_id) for _ in range(person.devices)]
        rows += [
            (id_, person.user_id, f"https://push.{EMAIL_DOMAIN}/{id_}", "seeded", "seeded", BROWSER, person.joined)
            for id_ in person.device_ids
        ]
    subscriptions.write(rows)
    owners = [person for person in made.people if person.profile.rules.webhook_enabled]
    webhooks = OutgoingWebhook.objects.bulk_create(
        [
            OutgoingWebhook(
                user_id=person.user_id,
                url=f"https://hooks.{EMAIL_DOMAIN}/{person.number}",
                secret="seeded",  # noqa: S106 - of an address that is none
                created_at=person.joined,
            )
            for person in owners
        ],
        batch_size=1000,
    )
    for person, webhook in zip(owners, webhooks, strict=True):
        person.webhook_id = webhook.pk


def _write_sources(made: Plan) -> None:
    first = reserve_ids(WebhookSource, len(made.sources))
    for number, source in enumerate(made.sources):
        source.id = first + number
    for insight in made.insights:
        insight.source.last_alert_at = insight.received_at  # the insights are in order
    Table(WebhookSource, "id user_id name token_hash created_at last_alert_at").write(
        (
            source.id,
            source.owner.user_id if source.owner else None,
            source.name,
            f"{TOKEN_MARK}{source.id}",
            source.created_at,
            source.last_alert_at,
        )
        for source in made.sources
    )


def _write_insights(made: Plan, report: Report, should_stop: Callable[[], bool]) -> bool:
    first = reserve_ids(Signal, len(made.insights))
    for number, insight in enumerate(made.insights):
        insight.id = first + number
    signals, validations = Table(Signal, rows.SIGNAL_COLUMNS), Table(TradeValidation, rows.VALIDATION_COLUMNS)
    dispatches, requests = Table(InsightDispatch, rows.DISPATCH_COLUMNS), Table(WebhookRequest, rows.REQUEST_COLUMNS)
    rng = made.random("insights")
    for some in chunks(made.insights, ROWS_AT_ONCE):
        if should_stop():
            return False
        with transaction.atomic():
            signals.write(map(rows.signal_row, some))
            validations.write(map(rows.validation_row, some))
            dispatches.write(row for insight in some for row in rows.dispatch_rows(rng, insight))
            requests.write(row for insight in some for row in rows.request_rows(rng, insight))
        report("insights", len(some))
    return True


def _write_streams(made: Plan, report: Report, should_stop: Callable[[], bool]) -> bool:
    ids = count(reserve_ids(InsightNotification, made.notifications))
    house = [insight for insight in made.insights if insight.owner is None]
    for some in chunks(made.people, PEOPLE_AT_ONCE):
        if should_stop():
            return False
        lived = [
            streams.live(made.random(person.number), person, _arrivals(made, house, person), ids, made.now)
            for person in some
        ]
        with transaction.atomic():
            _write_lived(some, lived)
        report("notifications", sum(len(stream.notifications) for stream in lived))
    return True


def _arrivals(made: Plan, house: Sequence[Insight], person: Person) -> Iterator[Arrival]:
    since = bisect_left(house, person.joined, key=lambda insight: insight.received_at)
    for insight in (*house[since:], *made.own.get(person.number, ())):
        for number, score in enumerate(insight.scores):
            rules = person.profile.rules_at(score.at)
            yield Arrival(insight, number + 1, score.decisions[person.profile.number], rules)


def _write_lived(some: Sequence[Person], lived: Sequence[Stream]) -> None:
    Inbox.objects.bulk_create(
        [Inbox(user_id=person.user_id, last_seq=stream.last_seq) for person, stream in zip(some, lived, strict=True)]
    )
    pairs = list(zip(some, lived, strict=True))
    # What was replaced points at a later row: the keys are checked at the end of the transaction.
    Table(InsightNotification, rows.NOTIFICATION_COLUMNS).write(
        rows.notification_row(person, row) for person, stream in pairs for row in stream.notifications
    )
    Table(NotificationDeliveryLog, rows.DELIVERY_COLUMNS).write(
        rows.delivery_row(row) for stream in lived for row in stream.deliveries
    )
    Table(SuppressedInsight, "user_id signal_id revision channel reason created_at").write(
        (person.user_id, insight.id, revision, Channel.WEBSOCKET.value, reason.value, at)
        for person, stream in pairs
        for insight, revision, reason, at in stream.suppressed
    )


def _write_digests(made: Plan, report: Report, should_stop: Callable[[], bool]) -> bool:
    readers = [person for person in made.people if person.profile.rules.email_digest_enabled]
    table = Table(DigestRun, rows.DIGEST_COLUMNS)
    for some in chunks(readers, PEOPLE_AT_ONCE):
        if should_stop():
            return False
        with transaction.atomic():
            written = table.write(row for person in some for row in rows.digest_rows(made, person))
        report("digests", written)
    return True
