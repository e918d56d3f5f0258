"""What a notification says. Pure; text stays text: nothing is escaped here, whoever shows it does that."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from zenithedge.languages import in_site_language

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

TITLE_CHARS = 120
NARRATIVE_CHARS = 200  # of the narrative; the label before it comes on top
HEADLINE_CHARS = 200
NO_NARRATIVE = _("No narrative was given.")


class Label(NamedTuple):
    """`name` is stored in fingerprints, so it is the same whatever the language."""

    floor: int
    sign: str
    name: str
    words: StrOrPromise


# From this AI confidence on, the first that matches wins.
LABELS = (
    Label(85, "🎯", "High confidence", _("High confidence")),
    Label(75, "✅", "Solid", _("Solid")),
    Label(65, "⚠️", "Moderate", _("Moderate")),
    Label(0, "📊", "Conditional", _("Conditional")),
)


class Message(TypedDict):
    title: str
    snippet: str
    news_headline: str | None


@in_site_language
def format_message(
    *,
    side: str,
    symbol: str,
    timeframe: str,
    ai_confidence: Decimal,
    narrative: str,
    news_headline: str,
    revision: int,
) -> Message:
    """Word one insight.

    The title has at most 120 characters. The snippet is a label with the AI confidence, then at most 200 characters
    of the narrative: as many whole sentences from its beginning as fit; a first sentence that does not fit is cut at
    a word and ends in "…". The headline has at most 200 characters; None when there is none.
    """
    kind = gettext("Insight updated") if revision > 1 else gettext("New Insight")
    title = f"{'🟢' if side == 'buy' else '🔴'} {kind} – {symbol} ({shown_timeframe(timeframe)})"
    return {
        "title": shorten(fold(title), TITLE_CHARS),
        "snippet": f"{_labelled(ai_confidence)} {first_sentences(narrative, NARRATIVE_CHARS) or NO_NARRATIVE}",
        "news_headline": shorten(fold(news_headline), HEADLINE_CHARS) or None,
    }


def confidence_label(ai_confidence: Decimal) -> str:
    """High confidence from 85, Solid from 75, Moderate from 65, else Conditional."""
    return _label(ai_confidence).name


def confidence_words(ai_confidence: Decimal) -> str:
    """The label in the active language."""
    return str(_label(ai_confidence).words)


def shown_timeframe(timeframe: str) -> str:
    """1h → 1H, 1d → 1D; minutes stay small, because 1M is a month to a trader."""
    return timeframe if timeframe.endswith("m") else timeframe.upper()


def first_sentences(text: str, limit: int) -> str:
    """As many whole sentences from the beginning as fit; the first one alone is cut at a word when it does not."""
    first, *others = split_sentences(text) or [""]
    kept = shorten(first, limit)
    if kept != first:
        return kept
    for sentence in others:
        if len(kept) + 1 + len(sentence) > limit:
            break
        kept = f"{kept} {sentence}"
    return kept


def split_sentences(text: str) -> list[str]:
    """Split where a mark is followed by a space and no small letter; decimals and abbreviations end no sentence.

    When in doubt two sentences stay one: too little of a narrative is better than a sentence that breaks off.
    """
    folded, sentences, start = fold(text), [], 0
    for mark in SENTENCE_END.finditer(folded):
        if not _is_abbreviation(folded[start : mark.end()], followed_by=folded[mark.end() :].lstrip()[:1]):
            sentences.append(folded[start : mark.end()].strip())
            start = mark.end()
    return [*sentences, rest] if (rest := folded[start:].strip()) else sentences


def shorten(text: str, limit: int) -> str:
    """Return the text if it has at most `limit` characters, else its beginning, cut at a word, with an ellipsis.

    A single word that is too long is cut where the limit is.
    """
    if len(text) <= limit:
        return text
    whole_words, space, _ = text[:limit].rpartition(" ")
    beginning = whole_words.rstrip(" ,;:–-") if space else ""
    return (beginning or text[: limit - 1]) + "…"


def fold(text: str) -> str:
    """Any run of white space is one space; none at the ends."""
    return " ".join(text.split())


# A mark, closing quotes or brackets, then a space before anything but a small letter; or the end.
SENTENCE_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s+(?![a-zà-öø-ÿ])|$)")
INITIALS = re.compile(r"(?:^|[\s(\"'“‘])(?:[A-Za-z]\.)+$")  # e.g., i.e., U.S., J.
ABBREVIATIONS = re.compile(
    r"\b(?:approx|avg|ca|cf|co|corp|dept|dr|est|etc|excl|fig|inc|incl|jr|ltd|max|min|mr|mrs|ms|nr|prev|prof|resp|sr|st"
    r"|viz|vol|vs|jan|feb|apr|jun|jul|aug|sept?|oct|nov|dec)\.$",
    re.IGNORECASE,
)
NUMBER_SIGN = re.compile(r"\b(?:no|nos|mar|p|pp)\.$", re.IGNORECASE)  # an abbreviation before a figure only


def _is_abbreviation(sentence: str, *, followed_by: str) -> bool:
    """Whether the full stop at the end belongs to the last word. At the end of the text it makes no difference."""
    if INITIALS.search(sentence) or ABBREVIATIONS.search(sentence):
        return bool(followed_by)
    return followed_by.isdigit() and NUMBER_SIGN.search(sentence) is not None


def _labelled(ai_confidence: Decimal) -> str:
    label = _label(ai_confidence)
    return f"{label.sign} {label.words} ({math.floor(ai_confidence)}%)."  # down, so that 79.6 never reads as 80


def _label(ai_confidence: Decimal) -> Label:
    return next(label for label in LABELS if ai_confidence >= label.floor)
