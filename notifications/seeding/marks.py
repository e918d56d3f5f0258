"""By what everything that was made up is known again."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import QuerySet

# Nobody signs up with it: .invalid is reserved (RFC 2606).
EMAIL_DOMAIN = "seeded.invalid"
NAME_PREFIX = "seeded-"
# In the place of a token's digest: no token has it.
TOKEN_MARK = "seeded "  # noqa: S105 - the opposite of a secret
ORIGIN = "seeding"


def seeded_users() -> QuerySet[Any]:
    return get_user_model()._default_manager.filter(email__endswith=f"@{EMAIL_DOMAIN}")


def real_users() -> QuerySet[Any]:
    return get_user_model()._default_manager.exclude(email__endswith=f"@{EMAIL_DOMAIN}")
