"""The sounds that a user can choose from; `scripts/tone.py` makes their files. Pure."""

from __future__ import annotations

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Sound(TextChoices):
    NONE = "none", _("No sound")
    TICK = "tick", _("One note")
    CHIME = "chime", _("Two notes")
    RISE = "rise", _("Three notes, rising")
