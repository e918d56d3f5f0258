"""The site's settings, and the app that makes it another release."""

from zenithedge.settings import *  # noqa: F403
from zenithedge.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "scripts.rehearsals.next_release"]
