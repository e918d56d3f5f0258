"""Filling a database for trials, and emptying it of that again.

Everything hangs on accounts whose address ends in EMAIL_DOMAIN, and on webhooks that no token opens: by these it is
found again. Nothing is dispatched, sent or hinted.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from notifications.digests import addresses
from notifications.digests.runs import PAUSED, TOO_LATE
from notifications.digests.times import due_at
from notifications.models import (
    DigestRun,
    DigestState,
    DispatchState,
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
from notifications.preferences import Channel, chosen_by
from notifications.quiet import zone_or_utc
from notifications.seeding import insights, people, streams
from notifications.seeding.insights import Clock, Insight, Source, Storms
from notifications.seeding.people import Person, Profile
from notifications.seeding.streams import Arrival, Stream
from notifications.seeding.tables import Row, Table, reserve_ids
from signals.models import Signal, TradeValidation, WebhookRequest, WebhookSource
from signals.models import Verdict as RequestVerdict
from signals.vocabulary import KNOWN_STRATEGIES

# Nobody signs up with it: .invalid is reserved (RFC 2606).
EMAIL_DOMAIN = "seeded.invalid"
NAME_PREFIX = "seeded-"
# In the place of a token's digest: no token has it.
TOKEN_MARK = "seeded "  # noqa: S105 - the opposite of a secret
ORIGIN = "seeding"

SHARE_OF_HOUSE = 0.85
PEOPLE_AT_ONCE = 250
ROWS_AT_ONCE = 5000


@dataclass(slots=True)
class Plan:
    """Everything that is to be stored, but for the streams, which are made while they are written."""

    seed: int
    now: dt.datetime
    begin: dt.datetime
    profiles: list[Profile] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    insights: list[Insight] = field(default_factory=list)  # in order of time
    own: dict[int, list[Insight]] = field(default_factory=dict)  # by the number of their owner
    notifications: int = 0

    def random(self, what: object) -> Random:
        """The same draws for the same seed, whatever else is drawn."""
        return Random(f"{self.seed} {what}")  # noqa: S311 - no secret hangs on it


Report = Callable[[str, int], None]


def seeded_users() -> QuerySet[Any]:
    return get_user_model()._default_manager.filter(email__endswith=f"@{EMAIL_DOMAIN}")


def real_users() -> QuerySet[Any]:
    return get_user_model()._default_manager.exclude(email__endswith=f"@{EMAIL_DOMAIN}")


# --- Planning -------------------------------------------------------------------------------------------------------


def plan(*, users: int, notifications: int, days: int, seed: int) -> Plan:
    """Draw people and insights so that together they make exactly so many notifications, if that can be had."""
    now = timezone.now()
    made = Plan(seed, now, now - dt.timedelta(days=days))
    rng, clock = made.random("plan"), Clock(made.begin, now)
    made.profiles, made.people = people.draw(rng, users, made.begin, now)
    made.sources = _sources(rng, made)
    house = _house_insights(rng, made, clock, int(notifications * SHARE_OF_HOUSE))
    own = _own_insights(rng, made, clock, notifications - _total(house))
    made.insights = insights.in_order([*house, *own])
    made.notifications = _total(made.insights)
    for insight in made.insights:
        if insight.owner is not None:
            made.own.setdefault(insight.owner.number, []).append(insight)
    return made


def _sources(rng: Random, made: Plan) -> list[Source]:
    """Five of the house, the last of them silent; and one of every fifth person, some silent and some new."""
    begin, now = made.begin, made.now
    desks = [Source(None, f"Seeded desk {number + 1}", (KNOWN_STRATEGIES[number % 4],), begin) for number in range(5)]
    desks[-1].silent_from = now - (now - begin) * 0.15
    own = []
    for person in rng.sample(made.people, max(1, len(made.people) // 5)):
        source = Source(person, "TradingView", tuple(rng.sample(insights.OWN_STRATEGIES, 2)), max(begin, person.joined))
        luck = rng.random()
        if luck < 0.03:
            source.silent_from = source.created_at + (now - source.created_at) * rng.uniform(0.6, 0.9)
        elif luck < 0.06:
            source.created_at = now - (now - source.created_at) * 0.08
        own.append(source)
    return [*desks, *own]


def _house_insights(rng: Random, made: Plan, clock: Clock, wanted: int) -> list[Insight]:
    """As many as reach about so many people altogether, never more."""
    desks = [source for source in made.sources if source.owner is None]
    drawing = insights.of_house(rng, desks, clock)

    def draw(number: int) -> list[Insight]:
        drawn: list[Insight] = []
        while len(drawn) < number:
            drawn += [insight for insight in next(drawing) if insight.received_at < made.now]
        return _scored(rng, made, drawn[:number])

    pilot = draw(40)
    drawn = draw(round(wanted * len(pilot) / max(1, _total(pilot))))
    while drawn and _total(drawn) > wanted:
        del drawn[0]
    return drawn


def _own_insights(rng: Random, made: Plan, clock: Clock, wanted: int) -> list[Insight]:
    """Exactly so many that their owners are told of, and those that their owners are not."""
    own = [source for source in made.sources if source.owner is not None]
    weights = [rng.paretovariate(2) for _ in own]

    def draw(number: int) -> list[Insight]:
        drawn = [insights.of_source(rng, source, clock) for source in rng.choices(own, weights, k=number)]
        return _scored(rng, made, drawn)

    drawn = draw(wanted + 20)
    # Half as many again as would do, for those who are few; but some want to hear of nothing at all.
    while _total(drawn) < wanted and len(drawn) < 100 * wanted:
        drawn = draw(int(len(drawn) * max(1.1, 1.03 * wanted / max(1, _total(drawn)))))
    return _without_oldest(drawn, _total(drawn) - wanted)


def _without_oldest(drawn: Sequence[Insight], excess: int) -> list[Insight]:
    """Less so many notifications, of the oldest that have any."""
    kept = []
    for insight in drawn:
        told = _total([insight])
        if 0 < told <= excess:
            excess -= told
        else:
            kept.append(insight)
    return kept


def _scored(rng: Random, made: Plan, drawn: list[Insight]) -> list[Insight]:
    """In order of time, each with its scores and what people's preferences say to them."""
    storms = Storms()
    for insight in (ordered := insights.in_order(drawn)):
        insights.score(rng, insight, storms.place(insight), made.now)
        for score in insight.scores:
            insight.counts.append(_counts(made, insight, score))
    return ordered


def _counts(made: Plan, insight: Insight, score: insights.Score) -> insights.Counts:
    """What a dispatch keeps: people by verdict and by reason."""
    counts = insights.Counts()
    owner = insight.owner
    reached = (
        [(owner.profile, 1)]
        if owner is not None
        else [(profile, profile.people_at(insight.received_at)) for profile in made.profiles]
    )
    for profile, number in reached:
        if number:
            decision = profile.decide(score.facts, score.at)
            score.decisions[profile.number] = decision
            counts.verdicts[decision.verdict.value] += number
            counts.reasons[decision.reason.value] += number
    return counts


def _total(some: Sequence[Insight]) -> int:
    return sum(counts.told for insight in some for counts in insight.counts)


def rows_of(made: Plan) -> int:
    """How many rows `fill` will report of it, but for the daily e-mails."""
    return len(made.people) + len(made.insights) + made.notifications


# --- Writing --------------------------------------------------------------------------------------------------------


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
    signals, validations = Table(Signal, SIGNAL_COLUMNS), Table(TradeValidation, VALIDATION_COLUMNS)
    dispatches, requests = Table(InsightDispatch, DISPATCH_COLUMNS), Table(WebhookRequest, REQUEST_COLUMNS)
    rng = made.random("insights")
    for some in _chunks(made.insights, ROWS_AT_ONCE):
        if should_stop():
            return False
        with transaction.atomic():
            signals.write(map(_signal_row, some))
            validations.write(map(_validation_row, some))
            dispatches.write(row for insight in some for row in _dispatch_rows(rng, insight))
            requests.write(row for insight in some for row in _request_rows(rng, insight))
        report("insights", len(some))
    return True


def _write_streams(made: Plan, report: Report, should_stop: Callable[[], bool]) -> bool:
    ids = count(reserve_ids(InsightNotification, made.notifications))
    house = [insight for insight in made.insights if insight.owner is None]
    for some in _chunks(made.people, PEOPLE_AT_ONCE):
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
    Table(InsightNotification, NOTIFICATION_COLUMNS).write(
        _notification_row(person, row) for person, stream in pairs for row in stream.notifications
    )
    Table(NotificationDeliveryLog, DELIVERY_COLUMNS).write(
        _delivery_row(row) for stream in lived for row in stream.deliveries
    )
    Table(SuppressedInsight, "user_id signal_id revision channel reason created_at").write(
        (person.user_id, insight.id, revision, Channel.WEBSOCKET.value, reason.value, at)
        for person, stream in pairs
        for insight, revision, reason, at in stream.suppressed
    )


def _write_digests(made: Plan, report: Report, should_stop: Callable[[], bool]) -> bool:
    readers = [person for person in made.people if person.profile.rules.email_digest_enabled]
    table = Table(DigestRun, DIGEST_COLUMNS)
    for some in _chunks(readers, PEOPLE_AT_ONCE):
        if should_stop():
            return False
        with transaction.atomic():
            written = table.write(row for person in some for row in _digest_rows(made, person))
        report("digests", written)
    return True


# --- Rows -----------------------------------------------------------------------------------------------------------

BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"
SIGNAL_COLUMNS = (
    "id user_id symbol timeframe side price sl tp confidence strategy regime session news_headline news_context "
    "source webhook_source_id bar_time received_at updated_at outcome closed_at"
)
VALIDATION_COLUMNS = "signal_id truth_index status context_summary news_headline news_context validated_at updated_at"
DISPATCH_COLUMNS = "signal_id revision fingerprint confidence state cursor counts opened_at finished_at"
REQUEST_COLUMNS = (
    "source_id received_at content_type body body_digest verdict status_code reason field_errors signal_id"
)
NOTIFICATION_COLUMNS = (
    "id user_id signal_id revision title snippet confidence priority news_headline reason seq created_at "
    "expires_at expired_at held_until superseded_by_id released_at repeat_of earlier_confidence new_status quiet "
    "min_confidence chosen read read_at delivered delivered_at"
)
DELIVERY_COLUMNS = (
    "notification_id channel target state success error_message attempts attempted_at acknowledged_at "
    "acknowledged_visible next_attempt_at created_at"
)
DIGEST_COLUMNS = "user_id local_date state due_at message_id attempts next_attempt_at error counts created_at sent_at"


def _signal_row(insight: Insight) -> Row:
    return (
        insight.id,
        insight.owner.user_id if insight.owner else None,
        insight.symbol,
        insight.timeframe.value,
        insight.side.value,
        insight.price,
        insight.sl,
        insight.tp,
        insight.own_confidence,
        insight.strategy,
        insights.regime_of(insight).value,
        insights.session_of(insight.received_at).value,
        insights.HEADLINE if insight.news else "",
        insight.news,
        ORIGIN,
        insight.source.id,
        insight.received_at,
        insight.received_at,
        insight.closed_at or insight.received_at,
        insight.outcome.value,
        insight.closed_at,
    )


def _validation_row(insight: Insight) -> Row:
    latest = insight.scores[-1]
    return (
        insight.id,
        latest.confidence,
        insight.status.value,
        insights.narrative_of(insight),
        insights.HEADLINE if insight.news else "",
        insight.news,
        latest.at,
        latest.at,
    )


def _dispatch_rows(rng: Random, insight: Insight) -> Iterator[Row]:
    for number, (score, counts) in enumerate(zip(insight.scores, insight.counts, strict=True), start=1):
        took_s = 0.01 + sum(counts.verdicts.values()) * rng.uniform(5e-5, 9e-5)
        yield (
            insight.id,
            number,
            insight.fingerprint(score),
            score.confidence,
            DispatchState.DONE.value,
            0,
            json.dumps({"verdicts": counts.verdicts, "reasons": counts.reasons}),
            score.at,
            score.at + dt.timedelta(seconds=took_s),
        )


def _request_rows(rng: Random, insight: Insight) -> Iterator[Row]:
    body = json.dumps(insights.alert(insight))
    digest = hashlib.sha256(body.encode()).hexdigest()
    begin = (insight.source.id, insight.received_at, "application/json", body, digest)
    yield (*begin, RequestVerdict.ACCEPTED.value, 201, "", "{}", insight.id)
    luck = rng.random()
    later = (insight.source.id, insight.received_at + dt.timedelta(seconds=5), "application/json", body, digest)
    if luck < 0.01:
        yield (*later, RequestVerdict.DUPLICATE.value, 200, "", "{}", insight.id)
    elif luck < 0.03:
        errors = json.dumps({"timeframe": ["Give one of 1m 5m 15m 30m 1h 4h 1d 1w."]})
        yield (*later, RequestVerdict.REFUSED.value, 400, "timeframe: not known", errors, None)


def _notification_row(person: Person, row: streams.Notification) -> Row:
    insight, score, arrival = row.arrival.insight, row.arrival.score, row.arrival
    return (
        row.id,
        person.user_id,
        insight.id,
        arrival.revision,
        score.message["title"],
        score.message["snippet"],
        score.confidence,
        score.facts.priority.value,
        score.message["news_headline"],
        arrival.decision.reason.value,
        row.seq,
        row.created_at,
        insight.expires_at,
        row.expired_at,
        row.held_until,
        row.superseded_by,
        row.released_at,
        row.repeat_of,
        row.earlier_confidence,
        row.new_status,
        row.quiet,
        row.arrival.rules.min_confidence,
        chosen_by(arrival.rules).value,
        row.read_at is not None,
        row.read_at,
        row.delivered_at is not None,
        row.delivered_at,
    )


def _delivery_row(row: streams.Delivery) -> Row:
    return (
        row.notification_id,
        row.channel,
        row.target,
        row.state.value,
        row.success,
        row.error,
        row.attempts,
        row.attempted_at,
        row.acknowledged_at,
        row.visible,
        row.next_attempt_at,
        row.created_at,
    )


def _digest_rows(made: Plan, person: Person) -> Iterator[Row]:
    """One a day; most went out at once."""
    rng = made.random(f"digests of {person.number}")
    zone = zone_or_utc(person.profile.rules.time_zone)
    day = max(made.begin, person.joined).astimezone(zone).date()
    while (due := due_at(day, person.profile.digest_time, zone)) <= made.now:
        state = rng.choices(
            (DigestState.SENT, DigestState.NOTHING, DigestState.SKIPPED, DigestState.FAILED), (84, 10, 4, 2)
        )[0]
        sent_at = due + dt.timedelta(seconds=rng.uniform(1, 90)) if state == DigestState.SENT else None
        unread = rng.randint(1, 20) if sent_at else 0
        yield (
            person.user_id,
            day,
            state.value,
            due,
            addresses.message_id(person.user_id, f"{day.isoformat()} 1"),
            {DigestState.SENT: 1, DigestState.FAILED: 8}.get(state, 0),
            due,
            {DigestState.SKIPPED: PAUSED, DigestState.FAILED: TOO_LATE}.get(state, ""),
            json.dumps(
                {"unread": unread, "best": min(unread, 5), "outcomes": rng.randint(0, 6), "held": 0, "hidden": 0}
            ),
            due,
            sent_at,
        )
        day += dt.timedelta(days=1)


def _chunks(some: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (some[start : start + size] for start in range(0, len(some), size))


# --- Removing -------------------------------------------------------------------------------------------------------


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
    raw_delete(NotificationDeliveryLog.objects.filter(notification__in=notifications.values("pk")))
    raw_delete(notifications)
    raw_delete(SuppressedInsight.objects.filter(of_user))
    raw_delete(InsightDispatch.objects.filter(signal__in=signals.values("pk")))
    raw_delete(TradeValidation.objects.filter(signal__in=signals.values("pk")))
    raw_delete(WebhookRequest.objects.filter(source__user__in=user_ids))
    raw_delete(DigestRun.objects.filter(of_user))
    signals.delete()
    get_user_model()._default_manager.filter(pk__in=user_ids).delete()


def raw_delete(rows: QuerySet[Any]) -> None:
    rows.order_by()._raw_delete(rows.db)
