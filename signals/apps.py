from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from zenithedge import labels


class SignalsConfig(AppConfig):
    name = "signals"
    verbose_name = _("Trade signals")

    def ready(self) -> None:
        labels.translate(self)
