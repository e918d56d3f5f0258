"""What was drawn, as rows of the tables: the columns, and the tuples that go into them."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from random import Random

from notifications.digests import addresses
from notifications.digests.runs import PAUSED, TOO_LATE
from notifications.digests.times import due_at
from notifications.models import DigestState, DispatchState
from notifications.preferences import chosen_by
from notifications.quiet import zone_or_utc
from notifications.seeding import insights, streams
from notifications.seeding.insights import Insight
from notifications.seeding.marks import ORIGIN
from notifications.seeding.people import Person
from notifications.seeding.planning import Plan
from notifications.seeding.tables import Row
from signals.models import Verdict as RequestVerdict

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


def signal_row(insight: Insight) -> Row:
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


def validation_row(insight: Insight) -> Row:
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


def dispatch_rows(rng: Random, insight: Insight) -> Iterator[Row]:
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


def request_rows(rng: Random, insight: Insight) -> Iterator[Row]:
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


def notification_row(person: Person, row: streams.Notification) -> Row:
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


def delivery_row(row: streams.Delivery) -> Row:
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


def digest_rows(made: Plan, person: Person) -> Iterator[Row]:
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
