"""How much an insight matters. Pure: no query, no clock."""

from decimal import Decimal

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

HIGH_CONFIDENCE = 80
SUBSTANTIAL_NEWS_CHARS = 50  # "substantial" is more than this, without surrounding white space
REPEATS_ALLOWED = 3  # more signals than this of one owner and strategy in REPEAT_WINDOW_S are a storm
REPEAT_WINDOW_S = 600


class Priority(TextChoices):
    HIGH = "high", _("High")
    MEDIUM = "medium", _("Medium")
    LOW = "low", _("Low")

    @property
    def rank(self) -> int:
        """0 for low, 2 for high: what matters more is larger."""
        return [Priority.LOW, Priority.MEDIUM, Priority.HIGH].index(self)


def needs_repeat_count(*, ai_confidence: Decimal, news_context: str) -> bool:
    """Whether the number of repeats can still change the priority, so that it is worth a query."""
    return ai_confidence < HIGH_CONFIDENCE and len(news_context.strip()) <= SUBSTANTIAL_NEWS_CHARS


def calculate(*, ai_confidence: Decimal, news_context: str, repeats: int) -> Priority:
    """Return the priority; the first rule that matches wins.

    `repeats` counts the signals of the same owner and strategy in the last `REPEAT_WINDOW_S` seconds of the alerts'
    own time, this one included.
    """
    if not needs_repeat_count(ai_confidence=ai_confidence, news_context=news_context):
        return Priority.HIGH
    return Priority.LOW if repeats > REPEATS_ALLOWED else Priority.MEDIUM
