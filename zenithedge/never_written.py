"""What the admin shows and never writes; for both apps."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.http import HttpRequest


class NeverWritten:
    """No adding and no changing. Deleting only along with the account, signal or webhook that a row belongs to.

    On its own a deleted notification would leave browsers with a badge that is wrong, and a deleted dispatch would
    be dispatched again. What is old goes by `cleanup_notifications`.
    """

    model: type[models.Model]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        own_pages = f"{self.model._meta.app_label}_{self.model._meta.model_name}_"
        page = request.resolver_match.url_name if request.resolver_match else None
        with_its_owner = page is not None and not page.startswith(own_pages)
        return with_its_owner and request.user.is_active and getattr(request.user, "is_superuser", False)
