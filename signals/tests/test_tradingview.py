"""What is taken from an alert's body, and what is refused by field."""

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.alert_json import MAX_DEPTH
from signals.models import MarketSession, Regime, Side, Timeframe
from signals.tests.alerts import GOOD_ALERT, MISSING, alert_body
from signals.tradingview import REQUIRED_FIELDS, Alert, AlertError, parse

NOW = dt.datetime(2026, 5, 4, 12, 0, tzinfo=dt.UTC)


def refusal(body: bytes) -> dict[str, list[str]]:
    with pytest.raises(AlertError) as refused:
        parse(body, now=NOW)
    return refused.value.fields


def test_good_alert_becomes_canonical() -> None:
    alert = parse(alert_body(), now=NOW)

    assert alert == Alert(
        symbol="EURUSD",
        timeframe=Timeframe.H1,
        side=Side.BUY,
        price=Decimal("1.08500000"),
        sl=Decimal("1.08000000"),
        tp=Decimal("1.09500000"),
        confidence=Decimal("78.00"),
        strategy="ZenithEdge",
        regime=Regime.TREND,
        session=MarketSession.LONDON,
    )


@pytest.mark.parametrize("name", REQUIRED_FIELDS)
@pytest.mark.parametrize("value", [MISSING, None, "", "   "])
def test_missing_field_is_named(name: str, value: Any) -> None:
    assert refusal(alert_body(**{name: value})) == {name: ["This field is required."]}


def test_every_wrong_field_is_named_at_once() -> None:
    assert set(refusal(b"{}")) == set(REQUIRED_FIELDS)


@pytest.mark.parametrize("name", ["price", "sl", "tp", "confidence"])
@pytest.mark.parametrize(
    "value",
    [
        *("NaN", "nan", "na", "Infinity", "-inf", "abc", "1,085", "1.08.5", "0x1f", "1_000", "１", "{{plot_3}}"),
        *(True, False, [], {}, [1], float("nan"), float("inf"), float("-inf")),
    ],
)
def test_what_is_no_finite_number_is_refused_by_name(name: str, value: Any) -> None:
    assert set(refusal(alert_body(**{name: value}))) == {name}


@pytest.mark.parametrize("value", [float("nan"), "NaN"])
def test_nan_is_called_what_it_is(value: Any) -> None:
    assert refusal(alert_body(sl=value))["sl"][0].startswith("Must be a finite number, not NaN.")


@pytest.mark.parametrize("name", ["price", "sl", "tp"])
@pytest.mark.parametrize("value", [0, -1, "0.000000001", "1e12", "999999999999.999999999", "1e999", "9" * 5000])
def test_price_outside_of_its_column_is_refused_by_name(name: str, value: Any) -> None:
    assert set(refusal(alert_body(**{name: value}))) == {name}


def test_number_too_large_for_any_type_is_refused_by_name() -> None:
    body = alert_body(sl="@").replace(b'"@"', b"1e99999999999999999999")
    assert set(refusal(body)) == {"sl"}


@pytest.mark.parametrize("value", [-0.01, 100.01, "1e3"])
def test_confidence_outside_0_to_100_is_refused(value: Any) -> None:
    assert refusal(alert_body(confidence=value)) == {"confidence": ["Must be between 0 and 100."]}


@pytest.mark.parametrize(("value", "stored"), [(0, "0"), ("100", "100"), (79.996, "80.00"), ("1e1", "10")])
def test_confidence_is_kept_to_two_places(value: Any, stored: str) -> None:
    assert parse(alert_body(confidence=value), now=NOW).confidence == Decimal(stored)


@pytest.mark.parametrize(
    ("side", "price", "sl", "tp", "wrong"),
    [
        ("buy", 1.1, 1.0, 1.2, set()),
        ("sell", 1.1, 1.2, 1.0, set()),
        ("buy", None, 1.0, 1.2, set()),
        ("sell", None, 1.2, 1.0, set()),
        ("buy", 1.1, 1.1, 1.2, {"sl"}),
        ("buy", 1.1, 1.0, 1.1, {"tp"}),
        ("buy", 1.1, 1.2, 1.0, {"sl", "tp"}),
        ("sell", 1.1, 1.0, 1.2, {"sl", "tp"}),
        ("sell", 1.1, 1.1, 1.0, {"sl"}),
        ("buy", None, 1.2, 1.2, {"sl"}),
        ("sell", None, 1.0, 1.2, {"sl"}),
        ("buy", "1.0000000001", "1", 2, {"sl"}),
        ("buy", "123456789012.00000002", "123456789012.00000001", "123456789013", {"sl"}),
    ],
)
def test_stop_and_target_lie_on_their_sides_of_the_price(
    side: str, price: Any, sl: Any, tp: Any, wrong: set[str]
) -> None:
    body = alert_body(side=side, price=price, sl=sl, tp=tp)
    assert (set(refusal(body)) if wrong else parse(body, now=NOW) and set()) == wrong


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("symbol", "X" * 33),
        ("strategy", "X" * 65),
        ("structure", "X" * 65),
        ("news_headline", "X" * 201),
        ("alert_id", "X" * 129),
        ("notes", "X" * 10_001),
        ("news_context", "X" * 10_001),
    ],
)
def test_text_that_is_too_long_is_refused_by_name(name: str, value: str) -> None:
    assert set(refusal(alert_body(**{name: value}))) == {name}
    assert parse(alert_body(**{name: value[:-1]}), now=NOW)


@pytest.mark.parametrize("name", ["symbol", "strategy", "structure", "news_headline", "notes", "news_context"])
@pytest.mark.parametrize("value", [True, 1.5, ["a"], {"a": 1}, float("nan")])
def test_text_that_is_none_is_refused_by_name(name: str, value: Any) -> None:
    assert set(refusal(alert_body(**{name: value}))) == {name}


@pytest.mark.parametrize(("name", "value"), [("side", "hold"), ("timeframe", "45"), ("timeframe", "1M")])
def test_word_outside_of_its_vocabulary_is_refused_by_name(name: str, value: str) -> None:
    errors = refusal(alert_body(**{name: value}))
    assert set(errors) == {name}
    assert value in errors[name][0]


@pytest.mark.parametrize("name", ["regime", "session"])
@pytest.mark.parametrize("value", ["lunar", 5, ["Trend"], "{{plot_1}}"])
def test_unknown_regime_or_session_is_a_warning_and_left_blank(name: str, value: Any) -> None:
    alert = parse(alert_body(**{name: value}), now=NOW)
    assert getattr(alert, name) is None
    assert [warning for warning in alert.warnings if warning.startswith(f"{name}:")]


@pytest.mark.parametrize("name", ["symbol", "strategy", "side", "timeframe", "timestamp", "alert_id", "price"])
def test_placeholder_that_arrives_literally_is_named(name: str) -> None:
    (error,) = refusal(alert_body(**{name: "{{strategy.order.comment}}"}))[name]
    assert "{{strategy.order.comment}}" in error


def test_unquoted_placeholder_or_na_is_named_though_it_breaks_the_json() -> None:
    errors = refusal(b'{"symbol": "EURUSD", "sl": {{plot_3}}, "tp": na, "price": 1}')
    assert set(errors) == {"sl", "tp"}
    assert "{{plot_3}}" in errors["sl"][0]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  \n",
        b"not json",
        b'{"symbol": "EURUSD"',
        b"[]",
        b"null",
        b'"text"',
        b"17",
        b"\xff\xfe{}",
        b"[" * 16_000,
        b'{"a":' * 3_000,
        alert_body(extra={"explain": json.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)}),
    ],
)
def test_body_that_is_no_plain_json_object_is_refused(body: bytes) -> None:
    assert set(refusal(body)) == {"body"}


def test_field_given_twice_is_refused_by_name() -> None:
    assert refusal(b'{"sl": 1, "sl": 2}') == {"sl": ["Appears more than once."]}


def test_byte_order_mark_is_no_part_of_the_json() -> None:
    assert parse(b"\xef\xbb\xbf" + alert_body(), now=NOW).symbol == "EURUSD"


def test_unknown_fields_are_warnings() -> None:
    alert = parse(alert_body(colour="red", extra={"volume": 3}), now=NOW)
    assert [warning.split(":")[0] for warning in alert.warnings] == ["colour", "extra.volume"]


def test_control_characters_are_taken_out_of_text() -> None:
    hostile = "a\x00b\u202ec\ud800d\x1b[31m<script>\r\ne"
    alert = parse(alert_body(strategy=hostile, notes=hostile), now=NOW)

    assert alert.strategy == "a b c d [31m<script> e"
    assert alert.notes == "abcd[31m<script>\ne"


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-05-04T09:30:00Z", dt.datetime(2026, 5, 4, 9, 30, tzinfo=dt.UTC)),
        ("2026-05-04T09:30:00", dt.datetime(2026, 5, 4, 9, 30, tzinfo=dt.UTC)),
        ("2026-05-04T09:30:00+02:00", dt.datetime(2026, 5, 4, 7, 30, tzinfo=dt.UTC)),
        (1777887000, dt.datetime(2026, 5, 4, 9, 30, tzinfo=dt.UTC)),
        ("1777887000", dt.datetime(2026, 5, 4, 9, 30, tzinfo=dt.UTC)),
        (1777887000500, dt.datetime(2026, 5, 4, 9, 30, 0, 500_000, tzinfo=dt.UTC)),
        ("", None),
        (None, None),
    ],
)
def test_timestamp_is_iso_or_epoch_seconds_or_milliseconds(value: Any, moment: dt.datetime | None) -> None:
    assert parse(alert_body(timestamp=value), now=NOW).timestamp == moment


@pytest.mark.parametrize(
    "value",
    [
        *("yesterday", "0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00", "1999-12-31", "2026-05-06"),
        *(0, -1, "1e30", 10**20, True, [], {}, float("nan")),
    ],
)
def test_absurd_timestamp_is_refused(value: Any) -> None:
    assert set(refusal(alert_body(timestamp=value))) == {"timestamp"}


def test_extra_keeps_what_is_known_of_it_with_secrets_blanked() -> None:
    extra = {
        "session": "ny",
        "multi_tf": {"4h": "up", "n": 2, "x": 1.5},
        "explain": {"Api_Key": "hush", "why": "a\x00"},
    }
    alert = parse(alert_body(extra=extra, session=MISSING), now=NOW)

    assert alert.session == MarketSession.NEW_YORK
    assert alert.extra == {
        "multi_tf": {"4h": "up", "n": 2, "x": 1.5},
        "explain": {"Api_Key": "***", "why": "a"},
    }


def test_secrets_in_the_notes_are_blanked() -> None:
    alert = parse(alert_body(notes="from my bot\ntoken=hush&a=1\napi_key: hush2"), now=NOW)

    assert alert.notes == "from my bot\ntoken=***&a=1\napi_key: ***"


@pytest.mark.parametrize("extra", ["text", [1], 5, {"multi_tf": float("nan")}, {"explain": [{"a": float("inf")}]}])
def test_extra_that_cannot_be_kept_is_refused(extra: Any) -> None:
    assert set(refusal(alert_body(extra=extra))) == {"extra"}


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*GOOD_ALERT, "extra", "timestamp", "notes", "alert_id"]), JSON_VALUES))
def test_any_values_are_taken_or_refused_by_field(changes: dict[str, Any]) -> None:
    try:
        alert = parse(alert_body(**changes), now=NOW)
    except AlertError as refused:
        fields = refused.fields
    else:
        fields = {"none": ["refused"]}
        texts = [
            alert.extra,
            alert.symbol,
            alert.strategy,
            alert.structure,
            alert.notes,
            alert.alert_id,
            alert.warnings,
        ]
        stored = json.dumps(texts, ensure_ascii=False, allow_nan=False)
        assert "\\u0000" not in stored
        assert stored.encode("utf-8")
    assert fields
    assert all(fields.values())


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_by_field(body: bytes) -> None:
    assert refusal(body)
