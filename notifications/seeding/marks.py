"""By what everything that was made up is known again."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet

# Nobody signs up with it: .invalid is reserved (RFC 2606).
EMAIL_DOMAIN = "seeded.invalid"
NAME_PREFIX = "seeded-"
# In the place of a token's digest: no token has it.
TOKEN_MARK = "seeded "  # noqa: S105 - the opposite of a secret
ORIGIN = "seeding"


def seeded_users() -> QuerySet[Any]:
    return get_user_model()._default_manager.filter(_made_up())


def real_users() -> QuerySet[Any]:
    return get_user_model()._default_manager.exclude(_made_up())


def _made_up() -> Q:
    """All of it: an account that somebody has given such an address, or the rights of staff, is somebody's."""
    named = Q(username__startswith=NAME_PREFIX, email__startswith=NAME_PREFIX, email__endswith=f"@{EMAIL_DOMAIN}")
    return named & Q(is_staff=False, is_superuser=False)
