"""What a channel is: a way to bring one notification to one target, such as a device or an address.

Everything else is the engine's (`draining`): when to try, how often, what is out of date, what is recorded.
docs/deliveries.md has a whole channel as an example.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Generic, TypeVar

from django.db.models import QuerySet

from notifications.models import InsightNotification

Target = TypeVar("Target")


class DeliveryError(Exception):
    """It did not arrive; the message says why, in words that the user may read and without secrets.

    It is tried again, not before `retry_after_s`, unless it is `permanent`. `gone`: the target takes nothing any more,
    and the channel is to forget it.
    """

    def __init__(
        self, message: str, *, permanent: bool = False, gone: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.permanent = permanent or gone
        self.gone = gone
        self.retry_after_s = retry_after_s


class DeliveryChannel(ABC, Generic[Target]):
    """`name` is what rows carry and `label` what people read; `switch` is the field of the preferences that turns the
    channel on, empty for one that is on for whoever has a target."""

    name: ClassVar[str]
    label: ClassVar[Any]
    switch: ClassVar[str] = ""
    first_wait_s: ClassVar[float] = 0.0

    @abstractmethod
    def targets(self) -> QuerySet[Any, Any]:
        """`user_id` and `target` (text of at most 200 characters) of everyone's targets, as `values()`."""

    @abstractmethod
    def deliver(self, notification: InsightNotification, target: Target) -> None:
        """Bring it there, within seconds. Raises DeliveryError. Runs in a thread and asks no database."""

    def find(self, targets: Collection[str]) -> Mapping[str, Any]:
        """What these texts stand for now, for `deliver`; a target that is missing from the answer is gone."""
        return {target: target for target in targets}

    def host(self, target: Target) -> str:
        """Who is called: one that is slow or down keeps only its own deliveries waiting."""
        return self.name

    def needless(self, notification: InsightNotification) -> str:
        """Why nobody needs it over this channel any more; empty when somebody does."""
        return ""

    def gather(self, notification: InsightNotification) -> None:
        """Note on it what `deliver` says of others, which asks no database. Not called for one that is sent again."""

    def succeeded(self, target: Target) -> None:
        """It arrived: for the channel's own records."""

    def failed(self, target: Target, error: DeliveryError) -> None:
        """It did not, and is not tried again. A target that is `gone` is to be forgotten here."""
