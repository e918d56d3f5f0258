"""Names of models and fields, as forms and the admin show them, through gettext: also those that Django makes itself.

Django derives "received at" from `received_at`. To repeat each such name beside its field only to wrap it would be a
second truth, and a migration; here every model's labels are wrapped once its app is ready.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import AppConfig, apps
from django.utils.translation import gettext_lazy, override

OUR_APPS = ("signals", "notifications")
LABELS = ("verbose_name", "verbose_name_plural", "help_text")


def translate(app: AppConfig) -> None:
    """Call it in `ready`. Migrations see the names as they are in English."""
    for model in app.get_models():
        meta = model._meta
        meta.verbose_name_plural = gettext_lazy(str(meta.verbose_name_plural))
        meta.verbose_name = gettext_lazy(str(meta.verbose_name))
        for field in meta.fields:
            if isinstance(field.verbose_name, str):
                field.verbose_name = gettext_lazy(field.verbose_name)
            if isinstance(field.help_text, str) and field.help_text:
                field.help_text = gettext_lazy(field.help_text)


def texts() -> Iterator[tuple[str, str]]:
    """(model, English text) of each, for the catalogues."""
    with override(None):
        for app in OUR_APPS:
            for model in apps.get_app_config(app).get_models():
                named = [model._meta, *model._meta.fields]
                found = [
                    getattr(one, name, "")
                    for one in named
                    for name in ("verbose_name", "verbose_name_plural", "help_text")
                ]
                yield from ((model._meta.label, str(text)) for text in found if text)
