import datetime as dt
from decimal import Decimal

import pytest

from signals import market
from signals.market import CLOSE_TIME, Close, MarketDataError

HEADER = "date,USD,JPY,GBP,CHF,AUD,CAD,NZD,SEK,NOK\n"
FIRST = dt.date(2018, 1, 2)
# That day's rates: USD 1.2065, JPY 135.35, GBP 0.88953, AUD 1.5413, NZD 1.6955.
FIRST_CLOSES = [
    ("EURUSD", "1.20650"),
    ("EURGBP", "0.88953"),
    ("GBPUSD", "1.35633"),
    ("USDJPY", "112.184"),
    ("GBPJPY", "152.159"),
    ("AUDNZD", "1.10005"),
]


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def series(symbol: str) -> market.Series:
    found = market.series(symbol)
    assert found
    return found


@pytest.mark.parametrize(("symbol", "close"), FIRST_CLOSES)
def test_a_pair_is_crossed_from_two_rates_and_rounded_as_the_market_does(symbol: str, close: str) -> None:
    assert series(symbol).days[0] == FIRST
    assert str(series(symbol).prices[0]) == close


def test_there_are_twenty_pairs_and_each_has_a_close_for_every_business_day() -> None:
    assert len(set(market.PAIRS)) == 20
    assert {len(series(symbol).days) for symbol in market.PAIRS} == {2261}


def test_a_symbol_without_rates_has_no_series() -> None:
    assert market.series("BTCUSD") is None
    assert market.series("") is None


def test_the_file_is_read_once() -> None:
    assert series("EURUSD") is series("EURUSD")


@pytest.mark.parametrize("missing", ["", "N/A", " "])
def test_a_missing_cell_leaves_out_that_day_for_the_pairs_of_its_currency_only(missing: str) -> None:
    rates = market.parse_rates(
        [HEADER, "2024-01-02,1.1,155,0.9,1,1,1,1,1,1\n", f"2024-01-03,{missing},156,0.9,1,1,1,1,1,1\n"]
    )
    assert market.cross(rates, "EURUSD").days == (dt.date(2024, 1, 2),)
    assert market.cross(rates, "EURJPY").prices == (Decimal("155.000"), Decimal("156.000"))


def test_other_columns_and_newest_first_rows_are_fine() -> None:
    rates = market.parse_rates(["Date,USD,HUF,\n", "2024-01-03,1.2,400,\n", "2024-01-02,1.1,400,\n"])
    assert market.cross(rates, "EURUSD").prices == (Decimal("1.10000"), Decimal("1.20000"))


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("2024-13-01,1,1,1,1,1,1,1,1,1", "Line 2: '2024-13-01' is no date"),
        ("2024-01-02,abc,1,1,1,1,1,1,1,1", "Line 2: USD is 'abc'"),
        ("2024-01-02,NaN,1,1,1,1,1,1,1,1", "Line 2: USD is NaN"),
        ("2024-01-02,0,1,1,1,1,1,1,1,1", "Line 2: USD is 0"),
        ("2024-01-02,-1,1,1,1,1,1,1,1,1", "Line 2: USD is -1"),
        ("2024-01-02,1,1,1,1,1,1,1,1,1\n2024-01-02,1,1,1,1,1,1,1,1,1", "Line 3: 2024-01-02 comes twice"),
    ],
)
def test_an_odd_row_is_refused_by_its_line(row: str, complaint: str) -> None:
    with pytest.raises(MarketDataError, match=complaint):
        market.parse_rates([HEADER, *row.splitlines(keepends=True)])


def test_a_table_without_dates_is_refused() -> None:
    with pytest.raises(MarketDataError, match="first line"):
        market.parse_rates(["USD,JPY\n", "1,2\n"])


@pytest.mark.parametrize(
    ("moment", "last_close"),
    [
        ("2024-01-04T14:59:59+00:00", "1.0919"),  # the close of the 3rd
        ("2024-01-04T15:00:00+00:00", "1.0953"),  # the close of the 4th
        ("2024-01-04T15:30:00+01:00", "1.0919"),  # 14:30 UTC
        ("2024-01-07T12:00:00+00:00", "1.0921"),  # a Sunday: the close of Friday the 5th
    ],
)
def test_a_close_is_known_from_its_hour_on_and_not_before(moment: str, last_close: str) -> None:
    assert series("EURUSD").values_at(at(moment), 1) == (float(last_close),)


def test_before_the_first_close_nothing_is_known() -> None:
    assert series("EURUSD").values_at(at("2018-01-02T14:00:00+00:00"), 5) == ()


def test_closes_between_two_moments_exclude_the_first_and_include_the_last() -> None:
    found = list(series("EURUSD").between(at("2024-01-03T15:00:00+00:00"), at("2024-01-05T15:00:00+00:00")))
    assert found == [
        Close(dt.datetime.combine(dt.date(2024, 1, 4), CLOSE_TIME), Decimal("1.09530")),
        Close(dt.datetime.combine(dt.date(2024, 1, 5), CLOSE_TIME), Decimal("1.09210")),
    ]
