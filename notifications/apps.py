from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from zenithedge import labels


class NotificationsConfig(AppConfig):
    name = "notifications"
    verbose_name = _("Notifications")

    def ready(self) -> None:
        labels.translate(self)
        from notifications import checks, signals  # noqa: F401 - importing them registers them
