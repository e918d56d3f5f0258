"""How much an insight matters: the rule as a table."""

from decimal import Decimal

import pytest

from notifications.priority import Priority, calculate, needs_repeat_count

NEWS_50 = "n" * 50
NEWS_51 = "n" * 51


@pytest.mark.parametrize(
    ("ai_confidence", "news_context", "repeats", "expected"),
    [
        ("80", "", 1, Priority.HIGH),
        ("79.99", "", 1, Priority.MEDIUM),
        ("100", "", 1, Priority.HIGH),
        ("0", "", 1, Priority.MEDIUM),
        ("79.99", NEWS_51, 1, Priority.HIGH),
        ("79.99", NEWS_50, 1, Priority.MEDIUM),
        ("79.99", f"  {NEWS_50}\n", 1, Priority.MEDIUM),
        ("30", NEWS_51, 1, Priority.HIGH),
        ("79.99", "", 3, Priority.MEDIUM),
        ("79.99", "", 4, Priority.LOW),
        ("79.99", NEWS_50, 4, Priority.LOW),
        ("80", "", 4, Priority.HIGH),
        ("30", NEWS_51, 4, Priority.HIGH),
    ],
)
def test_the_first_rule_that_matches_gives_the_priority(
    ai_confidence: str, news_context: str, repeats: int, expected: Priority
) -> None:
    priority = calculate(ai_confidence=Decimal(ai_confidence), news_context=news_context, repeats=repeats)

    assert priority is expected


@pytest.mark.parametrize(
    ("ai_confidence", "news_context", "worth_a_query"),
    [("79.99", NEWS_50, True), ("80", "", False), ("30", NEWS_51, False)],
)
def test_repeats_are_asked_for_only_when_they_can_change_the_priority(
    ai_confidence: str, news_context: str, worth_a_query: bool
) -> None:
    needed = needs_repeat_count(ai_confidence=Decimal(ai_confidence), news_context=news_context)

    assert needed is worth_a_query


def test_what_matters_more_ranks_higher() -> None:
    assert Priority.LOW.rank < Priority.MEDIUM.rank < Priority.HIGH.rank
