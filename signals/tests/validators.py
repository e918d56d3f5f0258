"""Validators that the tests name in SIGNALS_VALIDATOR."""

from decimal import Decimal

from django.db import connection

from signals.models import Signal, ValidationStatus
from signals.validation import Validation

FIXED = "signals.tests.validators.FixedValidator"
RAISING = "signals.tests.validators.RaisingValidator"
POISONING = "signals.tests.validators.PoisoningValidator"
UNSTORABLE = "signals.tests.validators.UnstorableValidator"


class FixedValidator:
    """Finds every signal equally good."""

    truth_index = Decimal("81.50")

    def validate(self, signal: Signal) -> Validation:
        return Validation(
            truth_index=self.truth_index,
            status=ValidationStatus.for_truth_index(self.truth_index),
            breakdown={"reward_to_risk": {"score": 80, "weight": 1.0, "explanation": "Twice the risk."}},
            context_summary=f"A setup on {signal.symbol}.",
            recommendation="Take it.",
        )


class RaisingValidator:
    def validate(self, signal: Signal) -> Validation:
        raise RuntimeError("the validator is broken")


class PoisoningValidator:
    """Fails in the database, which without a savepoint ends the transaction around it."""

    def validate(self, signal: Signal) -> Validation:
        with connection.cursor() as cursor:
            cursor.execute("SELECT nothing FROM no_such_table")
        raise AssertionError("unreachable")


class UnstorableValidator(FixedValidator):
    """Its verdict breaks a constraint of the table."""

    truth_index = Decimal("101.00")
