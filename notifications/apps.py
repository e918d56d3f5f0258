from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

from zenithedge import labels


class NotificationsConfig(AppConfig):
    name = "notifications"
    verbose_name = _("Notifications")

    def ready(self) -> None:
        labels.translate(self)
        from notifications import checks, roles, signals  # noqa: F401 - importing them registers them

        # The last app's: by then Django has made the permissions of all.
        post_migrate.connect(roles.make_groups, sender=self, dispatch_uid="notifications.make_groups")
