"""What a notification says."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications import messages
from notifications.messages import Message


def worded(**changes: Any) -> Message:
    insight: dict[str, Any] = {
        "side": "buy",
        "symbol": "EURUSD",
        "timeframe": "1h",
        "ai_confidence": Decimal(88),
        "narrative": "Bullish breakout on EURUSD.",
        "news_headline": "",
        "revision": 1,
    }
    return messages.format_message(**(insight | changes))


def narrative_part(message: Message) -> str:
    return message["snippet"].split("). ", 1)[-1] if "%). " in message["snippet"] else ""


# --- Titles ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({}, "🟢 New Insight – EURUSD (1H)"),
        ({"side": "sell"}, "🔴 New Insight – EURUSD (1H)"),
        ({"revision": 0}, "🟢 New Insight – EURUSD (1H)"),
        ({"revision": 2}, "🟢 Insight updated – EURUSD (1H)"),
        ({"side": "sell", "revision": 3}, "🔴 Insight updated – EURUSD (1H)"),
        ({"timeframe": "1d"}, "🟢 New Insight – EURUSD (1D)"),
        ({"timeframe": "15m"}, "🟢 New Insight – EURUSD (15m)"),
    ],
)
def test_the_title_names_side_kind_symbol_and_timeframe(changes: dict[str, Any], title: str) -> None:
    assert worded(**changes)["title"] == title


def test_a_long_title_is_cut_at_a_word() -> None:
    title = worded(symbol="Deutsche " * 20)["title"]

    assert title == "🟢 New Insight – " + " ".join(["Deutsche"] * 11) + "…"
    assert len(title) <= 120


# --- Labels ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ai_confidence", "beginning", "label"),
    [
        ("100", "🎯 High confidence (100%). ", "High confidence"),
        ("88", "🎯 High confidence (88%). ", "High confidence"),
        ("85", "🎯 High confidence (85%). ", "High confidence"),
        ("84.99", "✅ Solid (84%). ", "Solid"),
        ("79.6", "✅ Solid (79%). ", "Solid"),
        ("75", "✅ Solid (75%). ", "Solid"),
        ("74.99", "⚠️ Moderate (74%). ", "Moderate"),
        ("65", "⚠️ Moderate (65%). ", "Moderate"),
        ("64.99", "📊 Conditional (64%). ", "Conditional"),
        ("0", "📊 Conditional (0%). ", "Conditional"),
    ],
)
def test_the_label_follows_from_the_confidence_which_is_rounded_down(
    ai_confidence: str, beginning: str, label: str
) -> None:
    assert worded(ai_confidence=Decimal(ai_confidence))["snippet"].startswith(beginning)
    assert messages.confidence_label(Decimal(ai_confidence)) == label


# --- Narratives -----------------------------------------------------------------------------------------------------


def test_the_snippet_is_the_label_and_the_narrative() -> None:
    assert worded()["snippet"] == "🎯 High confidence (88%). Bullish breakout on EURUSD."


@pytest.mark.parametrize("narrative", ["", " \n\t "])
def test_an_empty_narrative_is_said_to_be_missing(narrative: str) -> None:
    assert worded(narrative=narrative)["snippet"] == "🎯 High confidence (88%). No narrative was given."


def test_only_sentences_that_fit_whole_are_taken() -> None:
    first, second, third = "A" * 98 + ".", "B" * 99 + ".", "C."

    assert narrative_part(worded(narrative=f"{first} {second} {third}")) == f"{first} {second}"
    assert narrative_part(worded(narrative=f"{first} B{second} {third}")) == first


def test_a_first_sentence_that_is_too_long_is_cut_at_a_word() -> None:
    narrative = "momentum " * 30 + "ends."

    assert narrative_part(worded(narrative=narrative)) == " ".join(["momentum"] * 22) + "…"


def test_a_first_word_that_is_too_long_is_cut_at_the_limit() -> None:
    assert narrative_part(worded(narrative="x" * 201)) == "x" * 199 + "…"


def test_a_first_sentence_of_exactly_the_limit_stays_whole() -> None:
    sentence = "x" * 199 + "."

    assert narrative_part(worded(narrative=f"{sentence} More.")) == sentence


@pytest.mark.parametrize(
    "sentence",
    [
        "Entry at 1.0850 with a stop at 1.0800.",
        "Reward is 2.1 times the risk, i.e. Good.",
        "Pairs, e.g. EURUSD, rise.",
        "EUR vs. USD rises.",
        "The target is approx. 1.0950 away.",
        "The U.S. Federal Reserve meets.",
        "The U.S. dollar falls.",
        "J. Powell speaks.",
        "Level No. 3 holds.",
        "Since Sept. 4 the pair rises.",
        "It waits... then breaks out.",
        "At 8 a.m. London opens.",
    ],
)
def test_decimals_and_abbreviations_end_no_sentence(sentence: str) -> None:
    assert messages.split_sentences(f"{sentence} Next one.") == [sentence, "Next one."]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("It closes at 1.0850. The stop is near.", ["It closes at 1.0850.", "The stop is near."]),
        ("Is it over? No! It goes on", ["Is it over?", "No!", "It goes on"]),
        ('He said "buy." Then it rose.', ['He said "buy."', "Then it rose."]),
        ("3 of 5 won. 2 lost.", ["3 of 5 won.", "2 lost."]),
        ("The answer is no. Then it fell.", ["The answer is no.", "Then it fell."]),
        ("Momentum holds.\n  Volume rises.", ["Momentum holds.", "Volume rises."]),
        ("Ends in the U.S.", ["Ends in the U.S."]),
        ("", []),
    ],
)
def test_sentences_end_where_a_reader_sees_them_end(text: str, sentences: list[str]) -> None:
    assert messages.split_sentences(text) == sentences


def test_markup_in_a_narrative_stays_text() -> None:
    narrative = '<script>alert(1)</script> & "quotes" {{ x }} stay.'

    assert narrative_part(worded(narrative=narrative)) == narrative


# --- Headlines ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_headline", "shown"),
    [
        ("", None),
        ("  \n", None),
        ("ECB holds rates", "ECB holds rates"),
        ("h" * 200, "h" * 200),
        ("headline " * 23, " ".join(["headline"] * 22) + "…"),
    ],
)
def test_a_headline_is_shown_cut_at_a_word_or_not_at_all(given_headline: str, shown: str | None) -> None:
    assert worded(news_headline=given_headline)["news_headline"] == shown


# --- Whatever comes -------------------------------------------------------------------------------------------------


@given(
    symbol=st.text(max_size=300),
    narrative=st.text(max_size=600),
    news_headline=st.text(max_size=400),
    ai_confidence=st.decimals(min_value=0, max_value=100, places=2),
)
def test_no_text_is_longer_than_it_may_be(
    symbol: str, narrative: str, news_headline: str, ai_confidence: Decimal
) -> None:
    message = worded(symbol=symbol, narrative=narrative, news_headline=news_headline, ai_confidence=ai_confidence)

    assert len(message["title"]) <= 120
    assert len(message["news_headline"] or "") <= 200
    assert 1 <= len(message["snippet"].split("%). ", 1)[1]) <= 200


words = st.sampled_from(["Bullish", "trend", "EURUSD", "1.0850", "e.g.", "vs.", "approx.", "U.S.", "breakout", "2.1"])
sentences = st.lists(words, min_size=1, max_size=50).map(lambda chosen: "The " + " ".join(chosen) + " ends.")


@given(st.lists(sentences, min_size=1, max_size=6))
def test_no_sentence_is_cut_unless_it_is_the_first(narrative: list[str]) -> None:
    kept = messages.first_sentences(" ".join(narrative), 200)

    if len(narrative[0]) > 200:
        assert kept.endswith("…")
        beginning = kept.removesuffix("…")
        assert narrative[0].startswith(beginning)
        assert not narrative[0][len(beginning)].isalnum(), "cut inside a word"
    else:
        fitting = [whole for count in range(1, len(narrative) + 1) if len(whole := " ".join(narrative[:count])) <= 200]
        assert kept == fitting[-1]
