"""The site's settings, with another user model and a test database that no other process of the tests uses."""

import os

from zenithedge.settings import *  # noqa: F403 - that is the point
from zenithedge.settings import DATABASES, INSTALLED_APPS

INSTALLED_APPS = ["notifications.tests.custom_user", *INSTALLED_APPS]
AUTH_USER_MODEL = "custom_user.Trader"
DATABASES["default"]["TEST"] = {"NAME": os.environ["CUSTOM_USER_DATABASE"]}
