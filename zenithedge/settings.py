"""Settings: one file, every value from the environment, defaults that run on a bare machine.

docs/configuration.md lists the variables. With none set: SQLite, the in-memory channel layer, mail on the console.
"""

import datetime as dt
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ

from zenithedge.secret_key import load_or_create_secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"
VAR_DIR.mkdir(exist_ok=True)

env = environ.Env()

DEBUG = env.bool("DJANGO_DEBUG", default=False)
SECRET_KEY = env.str("DJANGO_SECRET_KEY", default="") or load_or_create_secret_key(VAR_DIR / "secret_key")
SITE_URL = env.str("SITE_URL", default="http://127.0.0.1:8000").rstrip("/")
ALLOWED_HOSTS = env.list("DJANGO_ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
REDIS_URL = env.str("REDIS_URL", default="")

site_host = urlsplit(SITE_URL).hostname
if site_host and site_host not in ALLOWED_HOSTS:
    ALLOWED_HOSTS.append(site_host)

INSTALLED_APPS = [
    "daphne",  # first: its runserver replaces Django's
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "servestatic.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "axes",
    "signals.apps.SignalsConfig",
    "notifications.apps.NotificationsConfig",
]

MIDDLEWARE = [
    "zenithedge.log_context.request_context",  # around all others, so that what they log has the request's id
    "zenithedge.headers.security_headers",  # first, so that nobody answers past it
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "zenithedge.compression.CompressingStaticMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "notifications.reading.OwnLanguageAndClock",
    "django.contrib.messages.middleware.MessageMiddleware",
    "axes.middleware.AxesMiddleware",
    "zenithedge.admin_lists.UnanswerableLookups",
]

ROOT_URLCONF = "zenithedge.urls"
ASGI_APPLICATION = "zenithedge.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "notifications.context_processors.bell",
                "zenithedge.texts.context",
            ],
        },
    }
]

# --- Database -------------------------------------------------------------------------------------------------------

SQLITE_OPTIONS = {
    # IMMEDIATE takes the write lock when a transaction begins; a lock taken halfway fails with "database is locked".
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}

DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'db.sqlite3'}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = SQLITE_OPTIONS
    # A file, not memory: the tests use several threads, each with a connection of its own.
    DATABASES["default"]["TEST"] = {"NAME": str(VAR_DIR / f"test-{environ.os.getpid()}.sqlite3")}
elif DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    DATABASES["default"]["CONN_MAX_AGE"] = 0
    # Beside what the address itself says, such as ?sslmode=require. Within the 3 s that TradingView waits it must hear
    # that the database is away: it is not known to send an alert again that was not answered at all.
    DATABASES["default"].setdefault("OPTIONS", {})["pool"] = {"min_size": 1, "max_size": 16, "timeout": 2.5}
    # Lets notifications/prepared.py have its statements planned once a connection; Django itself prepares none.
    DATABASES["default"]["OPTIONS"]["prepare_threshold"] = 5
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Channel layer, cache, broker -------------------------------------------------------------------------------------

# All three share one Redis database under prefixes of their own. Pub/sub names know no databases at all, so two
# installations on one Redis need two prefixes.
REDIS_PREFIX = env.str("REDIS_PREFIX", default="zenithedge")
# docs/production.md says what speaks for each. The in-memory layer is that of a site without Redis.
CHANNEL_LAYER = env.str("CHANNEL_LAYER", default="pubsub" if REDIS_URL else "memory")

# Not redis-py's own, which are for ever or end the layer's blocking calls: longer than those (5 s), and short enough
# that a frozen Redis is noticed. Its pool would raise at 100 connections.
REDIS_LAYER_HOST = {"address": REDIS_URL, "socket_timeout": 15, "socket_connect_timeout": 2, "max_connections": 2000}
# Messages that a layer keeps for one process (core) or one socket before it drops: a burst to every trader at once.
LAYER_CAPACITY = env.int("CHANNEL_LAYER_CAPACITY", default=10_000)
LAYERS: dict[str, dict[str, Any]] = {
    "pubsub": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"prefix": REDIS_PREFIX, "capacity": LAYER_CAPACITY, "hosts": [REDIS_LAYER_HOST]},
    },
    "core": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {
            "prefix": REDIS_PREFIX,
            "capacity": LAYER_CAPACITY,
            "expiry": 30,  # a hint that old is of no use: the client has asked by itself, every 25 s
            "group_expiry": 24 * 60 * 60,  # joins are repeated long before
            "hosts": [REDIS_LAYER_HOST],
        },
    },
    "memory": {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": LAYER_CAPACITY}},
}
CHANNEL_LAYERS = {"default": LAYERS.get(CHANNEL_LAYER, {})}  # an unknown one is named by notifications.E005

CACHES: dict[str, dict[str, Any]] = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
if REDIS_URL:
    CACHES["default"] = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": f"{REDIS_PREFIX}:cache",
        "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
    }

# Without a broker the server's own worker thread does all of it. Never Celery's eager mode: it ignores delays, and
# would run a fan-out to everybody inside the request.
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True  # what came of it is in the rows
CELERY_RESULT_EXPIRES = None  # so there are none to clean up
# Acknowledged when they begin. What a killed worker leaves is the sweep's to finish, long before a broker would give it
# out again; and a worker that has tasks to acknowledge when Redis is restarted ends itself (celery 5.7, kombu 5.7).
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "global_keyprefix": f"{REDIS_PREFIX}:celery:",
    # Far above any task's time. The sweep is faster anyway.
    "visibility_timeout": 10 * 60,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker waits for Redis as long as it takes
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"  # no file: when a job is due after a start is the schedule's to say
CELERY_WORKER_HIJACK_ROOT_LOGGER = False  # LOGGING below is the one that masks tokens
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_TASK_DEFAULT_QUEUE = "notifications"

# --- Sign-in and security -------------------------------------------------------------------------------------------

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "dashboard"

AUTHENTICATION_BACKENDS = ["zenithedge.sign_in.SignInBackend", "django.contrib.auth.backends.ModelBackend"]
# zenithedge/sign_in.py says what is locked, and for whom.
AXES_HANDLER = "zenithedge.sign_in.SignInHandler"
AXES_FAILURE_LIMIT = env.int("SIGN_IN_FAILURES", default=5)
AXES_COOLOFF_TIME = dt.timedelta(minutes=env.int("SIGN_IN_LOCK_MINUTES", default=15))
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"], "ip_address"]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # or who keeps trying stays out for ever
AXES_LOCKOUT_CALLABLE = "zenithedge.sign_in.locked_out"
AXES_CLIENT_IP_CALLABLE = "zenithedge.clients.limited_address"
AXES_DISABLE_ACCESS_LOG = True  # who signed in from where, for ever, would be kept for nobody
AXES_VERBOSE = False
# The proxies whose X-Forwarded-For is believed: addresses and networks; "unix" for one on a Unix socket.
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])

CSRF_TRUSTED_ORIGINS = [SITE_URL]
CSRF_FAILURE_VIEW = "notifications.api.csrf_failure"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = True  # the CSRF cookie's value is for the scripts to send back, and no secret from them
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_PROXY_SSL_HEADER = None
if SITE_URL.startswith("https://"):
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_HSTS_SECONDS = 31_536_000
    # Django would have HSTS reach all subdomains and the browsers' preload lists. Whether the other hosts of this name
    # have certificates is not ours to decide, and neither can be taken back.
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
    SECURE_SSL_REDIRECT = True
    # Load balancers and Prometheus ask the process itself, past the proxy that ends TLS.
    SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^metrics$"]
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# No request of ours is larger: an alert is at most 16 KiB, a form a few.
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024

# --- Pages, static files, mail --------------------------------------------------------------------------------------

# In it are the texts that are stored, such as a notification's title, and whatever nobody asked for in another.
LANGUAGE_CODE = env.str("LANGUAGE_CODE", default="en")
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = ["zenithedge.formats"]
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
# Set where nginx serves what `collectstatic` has written there, under the address of a release; without it the
# application serves the sources, so that nothing has to be collected before the first start.
COLLECTED = env.str("STATIC_ROOT", default="")
STATIC_ROOT = COLLECTED or VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
SERVESTATIC_USE_FINDERS = True
if COLLECTED:
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "zenithedge.static_versions.VersionedStaticFilesStorage"},
    }
    SERVESTATIC_USE_STATIC_ROOT = True  # for who asks past nginx
SERVESTATIC_ALLOW_ALL_ORIGINS = False  # nobody else has a use for them

EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
# Django would wait for a mail server that hangs as long as it hangs. For each of the round trips that a mail takes.
EMAIL_TIMEOUT = env.int("EMAIL_TIMEOUT", default=20)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default=f"ZenithEdge <noreply@{site_host or 'localhost'}>")
# Envelope sender of the digests, to which servers report what they could not deliver; empty for the one above.
BOUNCE_EMAIL = env.str("BOUNCE_EMAIL", default="")

# --- ZenithEdge -----------------------------------------------------------------------------------------------------

SIGNALS_VALIDATOR = env.str("SIGNALS_VALIDATOR", default="signals.validation.RuleBasedValidator")
# An insight lives for this many bars of its own timeframe.
NOTIFICATIONS_LIFE_BARS = env.int("NOTIFICATIONS_LIFE_BARS", default=3)
# The thread of each server process that runs dispatches and the schedule; with a broker Celery's worker and beat do.
# Tests drive those functions themselves.
NOTIFICATIONS_WORKER = env.bool("NOTIFICATIONS_WORKER", default=not CELERY_BROKER_URL)
# Requests that one webhook token may make in a minute before it is told 429.
WEBHOOK_REQUESTS_PER_MINUTE = env.int("WEBHOOK_REQUESTS_PER_MINUTE", default=300)
# The same for one address. TradingView sends all its users' alerts from four addresses, so this is for many tokens.
WEBHOOK_REQUESTS_PER_MINUTE_AND_ADDRESS = env.int("WEBHOOK_REQUESTS_PER_MINUTE_AND_ADDRESS", default=3000)
# Hosts of our own network that users' addresses may name all the same, each host:port; docs/deliveries.md says when.
OUTGOING_TRUSTED_HOSTS = env.list("OUTGOING_TRUSTED_HOSTS", default=[])
# Web push: the site's own key pair, as `manage.py generate_vapid_keys` prints it, and whom a push service may write to.
# With neither set a pair is made on first use and kept beside the secret key.
VAPID_PUBLIC_KEY = env.str("VAPID_PUBLIC_KEY", default="")
VAPID_PRIVATE_KEY = env.str("VAPID_PRIVATE_KEY", default="")
VAPID_SUBJECT = env.str("VAPID_SUBJECT", default="")
VAPID_KEY_FILE = VAR_DIR / "vapid_private_key"
# The push services of the browsers; a subscription at any other host is refused.
PUSH_SERVICE_HOSTS = env.list(
    "PUSH_SERVICE_HOSTS",
    default=[
        "fcm.googleapis.com",
        "updates.push.services.mozilla.com",
        "*.push.services.mozilla.com",
        "web.push.apple.com",
        "*.push.apple.com",
        "*.notify.windows.com",
    ],
)
# What Prometheus brings to read /metrics; without one it is for staff only.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

# --- Logs -----------------------------------------------------------------------------------------------------------

TEST_RUNNER = "zenithedge.test_runner.PytestRunner"

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOG_FILE = Path(env.str("LOG_FILE", default=str(BASE_DIR / "logs" / "django.log")))
LOG_FILE.parent.mkdir(parents=True, exist_ok=True)
# For people where people look at it, for machines in production.
LOG_FORMAT = env.str("LOG_FORMAT", default="json" if SITE_URL.startswith("https://") else "line")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "class": "zenithedge.logs.LineFormatter",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        },
        "json": {"()": "zenithedge.logs.JsonFormatter"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "json" if LOG_FORMAT == "json" else "line"},
        "dropped hints": {"class": "notifications.metrics.DroppedHints"},
        "file": {
            "class": "logging.handlers.RotatingFileHandler",
            "filename": LOG_FILE,
            "maxBytes": 10 * 1024 * 1024,
            "backupCount": 5,
            "delay": True,
            "encoding": "utf-8",
            "formatter": "json" if LOG_FORMAT == "json" else "line",  # notifications.E006 names an unknown one
        },
    },
    "root": {"handlers": ["console", "file"], "level": "WARNING"},
    "loggers": {
        "notifications": {"level": LOG_LEVEL},
        "signals": {"level": LOG_LEVEL},
        "zenithedge": {"level": LOG_LEVEL},
        # Says at INFO how many hints it dropped; the handler counts them.
        "channels_redis.core": {"handlers": ["dropped hints"], "level": "INFO"},
        "celery": {"level": LOG_LEVEL},
        # Two lines for each task, every ten seconds, that say nothing beyond what the functions log.
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
        # Django's own would write to the console a second time and past the formatter.
        "django": {"handlers": ["console", "file"], "level": LOG_LEVEL, "propagate": False},
        # At DEBUG they write out whole contexts and statements: cookies, e-mail addresses, password hashes.
        "django.template": {"level": "INFO"},
        "django.db.backends": {"level": "INFO"},
        "django.server": {"handlers": ["console", "file"], "level": LOG_LEVEL, "propagate": False},
        "django.channels.server": {"handlers": ["console", "file"], "level": LOG_LEVEL, "propagate": False},
    },
}
