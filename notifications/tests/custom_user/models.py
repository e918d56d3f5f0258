"""A user model as an installation may bring it: Django's, with something more, in a table of its own."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models


class Trader(AbstractUser):
    desk = models.CharField(max_length=30, blank=True)
