"""The smallest settings of an app that does what the Channels tutorial teaches, on PostgreSQL and Redis."""

import os
from urllib.parse import urlsplit

database = urlsplit(os.environ["DATABASE_URL"])
SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = [
    "daphne",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "channels",
    "tutorial",
]
ASGI_APPLICATION = "tutorial.asgi.application"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": database.path.lstrip("/"),
        "USER": database.username,
        "HOST": database.hostname,
        "PORT": database.port,
    }
}
# The tutorial takes the core layer with its defaults. Only the burst is measured with the default capacity: elsewhere
# messages lost in silence would make it look faster. The forwarding rate is measured on the same layer as the others'.
LAYERS = {
    "core": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [os.environ["REDIS_URL"]], "capacity": int(os.environ.get("LAYER_CAPACITY", "100000"))},
    },
    "pubsub": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [os.environ["REDIS_URL"]]},
    },
}
CHANNEL_LAYERS = {"default": LAYERS[os.environ.get("LAYER", "core")]}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
