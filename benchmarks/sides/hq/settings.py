"""django-notifications-hq 1.8.3, on a Django that it supports: on 5.2 it does not import."""

import os
from urllib.parse import urlsplit

database = urlsplit(os.environ["DATABASE_URL"])
SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "notifications"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": database.path.lstrip("/"),
        "USER": database.username,
        "HOST": database.hostname,
        "PORT": database.port,
    }
}
DJANGO_NOTIFICATIONS_CONFIG = {"USE_JSONFIELD": True}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
