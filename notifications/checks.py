"""System checks: what is half set or unsafe is named, with an id and a hint, by `manage.py check [--deploy]`."""

from __future__ import annotations

import os
from email.utils import parseaddr
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import EmailValidator
from django.utils.module_loading import import_string

from notifications.delivery import vapid
from notifications.quiet import known_zones
from zenithedge import shared_values
from zenithedge.clients import unreadable_proxies
from zenithedge.shared_values import DIRECTORY_VARIABLE

MIN_TOKEN_LENGTH = 32


@register("notifications")
def check_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [
        *_check_validator(),
        *_check_site_url(),
        *_check_time_zone(),
        *_check_life_bars(),
        *_check_layer_is_known(),
        *_check_trusted_proxies(),
        *_check_limits(),
        *_check_mail_addresses(),
        *_check_log_format(),
        *_check_vapid_keys(),
    ]


@register(Tags.security, deploy=True)
def check_deployment(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [
        *_check_https(),
        *_check_hosts(),
        *_check_channel_layer(),
        *_check_database(),
        *_check_somebody_works(),
        *_check_proxies_are_named(),
        *_check_metrics_token(),
        *_check_metrics_directory(),
        *_check_static_files(),
        *_check_mail(),
        *_check_sender(),
        *_check_vapid_is_set(),
    ]


def _check_validator() -> list[CheckMessage]:
    try:
        validator = import_string(settings.SIGNALS_VALIDATOR)
    except ImportError as error:
        return [
            Error(
                f"SIGNALS_VALIDATOR names nothing that can be imported: {error}",
                hint="Give the dotted path of a class with a method validate(signal) -> Validation.",
                id="notifications.E001",
            )
        ]
    if callable(getattr(validator, "validate", None)):
        return []
    return [
        Error(
            f"SIGNALS_VALIDATOR {settings.SIGNALS_VALIDATOR} has no method validate.",
            hint="Give the dotted path of a class with a method validate(signal) -> Validation.",
            id="notifications.E001",
        )
    ]


def _check_site_url() -> list[CheckMessage]:
    parts = urlsplit(settings.SITE_URL)
    if parts.scheme in ("http", "https") and parts.hostname and not parts.path and not parts.query:
        return []
    return [
        Error(
            f"SITE_URL {settings.SITE_URL!r} is no origin.",
            hint="Give scheme, host and port and nothing else, such as https://hub.example.org.",
            id="notifications.E002",
        )
    ]


def _check_time_zone() -> list[CheckMessage]:
    if settings.TIME_ZONE in known_zones():
        return []
    return [
        Error(
            f"TIME_ZONE {settings.TIME_ZONE!r} is no IANA time zone.",
            hint="It is the default of every trader's quiet hours. Give a name such as Europe/Berlin.",
            id="notifications.E003",
        )
    ]


def _check_life_bars() -> list[CheckMessage]:
    if settings.NOTIFICATIONS_LIFE_BARS >= 1:
        return []
    return [
        Error(
            f"NOTIFICATIONS_LIFE_BARS is {settings.NOTIFICATIONS_LIFE_BARS}: every insight would be born expired.",
            hint="Give a whole number from 1.",
            id="notifications.E004",
        )
    ]


def _check_vapid_keys() -> list[CheckMessage]:
    problem = vapid.problem()
    if not problem:
        return []
    return [
        Error(
            f"Web push has no usable key pair: {problem}.",
            hint="Set both lines that `manage.py generate_vapid_keys` prints; with neither, a pair is made and kept.",
            id="notifications.E012",
        )
    ]


def _check_vapid_is_set() -> list[CheckMessage]:
    unset = [name for name in ("VAPID_PRIVATE_KEY", "VAPID_SUBJECT") if not getattr(settings, name)]
    if not unset:
        return []
    return [
        Warning(
            f"{' and '.join(unset)} not set: each machine would make a key pair of its own, of which the browsers take "
            "one, and push services would know nobody to write to.",
            hint="Set what `manage.py generate_vapid_keys` prints, and VAPID_SUBJECT to mailto: and an address.",
            id="notifications.W014",
        )
    ]


def _check_trusted_proxies() -> list[CheckMessage]:
    return [
        Error(
            f"TRUSTED_PROXIES holds {proxy!r}, which is neither an address nor a network.",
            hint="Give addresses and networks such as 127.0.0.1,10.0.0.0/8, or unix for a proxy on a Unix socket.",
            id="notifications.E010",
        )
        for proxy in unreadable_proxies(settings.TRUSTED_PROXIES)
    ]


def _check_limits() -> list[CheckMessage]:
    limits = {
        "SIGN_IN_FAILURES": settings.AXES_FAILURE_LIMIT,
        "SIGN_IN_LOCK_MINUTES": settings.AXES_COOLOFF_TIME.total_seconds() / 60,
        "WEBHOOK_REQUESTS_PER_MINUTE": settings.WEBHOOK_REQUESTS_PER_MINUTE,
        "WEBHOOK_REQUESTS_PER_MINUTE_AND_ADDRESS": settings.WEBHOOK_REQUESTS_PER_MINUTE_AND_ADDRESS,
    }
    return [
        Error(
            f"{name} is {limit:g}: it would refuse everybody, or nobody ever.",
            hint="Give a whole number from 1.",
            id="notifications.E011",
        )
        for name, limit in limits.items()
        if limit < 1
    ]


def _check_log_format() -> list[CheckMessage]:
    if settings.LOG_FORMAT in ("line", "json"):
        return []
    return [
        Error(
            f"LOG_FORMAT is {settings.LOG_FORMAT!r}.",
            hint="Give line (for people) or json (for machines).",
            id="notifications.E006",
        )
    ]


def _check_mail_addresses() -> list[CheckMessage]:
    addresses = {"DEFAULT_FROM_EMAIL": settings.DEFAULT_FROM_EMAIL}
    if settings.BOUNCE_EMAIL:
        addresses["BOUNCE_EMAIL"] = settings.BOUNCE_EMAIL
    return [
        Error(
            f"{name} {address!r} is no mail address.",
            hint="Give one such as hub@example.org or, for the sender, ZenithEdge <hub@example.org>.",
            id="notifications.E015",
        )
        for name, address in addresses.items()
        if not _is_mail_address(address)
    ]


def _is_mail_address(text: str) -> bool:
    address = parseaddr(text)[1]
    try:
        # A site without a name of its own, such as localhost, is one too.
        EmailValidator(allowlist=[address.rpartition("@")[2]])(address)
    except ValidationError:
        return False
    return text.isprintable()


def _check_layer_is_known() -> list[CheckMessage]:
    layers = ("pubsub", "core", "memory") if settings.REDIS_URL else ("memory",)
    if settings.CHANNEL_LAYER in layers:
        return []
    return [
        Error(
            f"CHANNEL_LAYER is {settings.CHANNEL_LAYER!r}; {'with' if settings.REDIS_URL else 'without'} REDIS_URL it "
            f"can be {' or '.join(layers)}.",
            hint="Unset it for the default, or set REDIS_URL for pubsub and core.",
            id="notifications.E005",
        )
    ]


def _check_https() -> list[CheckMessage]:
    if settings.SITE_URL.startswith("https://"):
        return []
    return [
        Warning(
            "SITE_URL is not https: session cookies and webhook tokens would travel in clear.",
            hint="Set SITE_URL to the https address that traders open; cookies and HSTS follow it.",
            id="notifications.W001",
        )
    ]


def _check_hosts() -> list[CheckMessage]:
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    return [
        Warning(
            "DJANGO_ALLOWED_HOSTS allows any host, and with it sockets from any origin that names itself as the host.",
            hint="List the host names that traders open.",
            id="notifications.W002",
        )
    ]


def _check_channel_layer() -> list[CheckMessage]:
    if settings.CHANNEL_LAYER != "memory":
        return []
    return [
        Warning(
            "Without REDIS_URL hints stay inside one process; others find changes by looking once a second.",
            hint="Set REDIS_URL when more than one server process or a separate worker runs.",
            id="notifications.W003",
        )
    ]


def _check_somebody_works() -> list[CheckMessage]:
    if settings.NOTIFICATIONS_WORKER or settings.CELERY_BROKER_URL:
        return []
    return [
        Warning(
            "NOTIFICATIONS_WORKER is off and there is no broker: nothing releases, expires, cleans up or finishes "
            "what was left behind.",
            hint="Switch NOTIFICATIONS_WORKER on, or set REDIS_URL and run Celery's worker and beat.",
            id="notifications.W005",
        )
    ]


def _check_database() -> list[CheckMessage]:
    if settings.DATABASES["default"]["ENGINE"] != "django.db.backends.sqlite3" or not settings.REDIS_URL:
        return []
    return [
        Warning(
            "REDIS_URL is set and DATABASE_URL is not: several processes would share one SQLite file, which takes one "
            "writer at a time.",
            hint="Set DATABASE_URL to a PostgreSQL database.",
            id="notifications.W004",
        )
    ]


def _check_proxies_are_named() -> list[CheckMessage]:
    if settings.TRUSTED_PROXIES or not settings.SITE_URL.startswith("https://"):
        return []
    return [
        Warning(
            "SITE_URL is https, so a proxy ends TLS, and TRUSTED_PROXIES names none: limits would count everybody as "
            "the proxy, and one guesser of passwords would lock all traders out.",
            hint="Set TRUSTED_PROXIES to the proxy's address as the server sees it, such as 127.0.0.1.",
            id="notifications.W010",
        )
    ]


def _check_metrics_token() -> list[CheckMessage]:
    if not settings.METRICS_TOKEN or len(settings.METRICS_TOKEN) >= MIN_TOKEN_LENGTH:
        return []
    return [
        Warning(
            "METRICS_TOKEN is short enough to be guessed.",
            hint="Set it to what `openssl rand -hex 32` prints, or to nothing.",
            id="notifications.W011",
        )
    ]


def _check_metrics_directory() -> list[CheckMessage]:
    if not os.environ.get(DIRECTORY_VARIABLE) or shared_values.in_use():
        return []
    return [
        Warning(
            f"{DIRECTORY_VARIABLE} can't be written to: each process would count for itself, and /metrics would show "
            "those of whichever process answers.",
            hint="Give a directory of its own to the account that the servers and workers run as.",
            id="notifications.W012",
        )
    ]


def _check_static_files() -> list[CheckMessage]:
    try:
        staticfiles_storage.url("icon.svg")
    except ImproperlyConfigured as error:
        return [
            Warning(
                str(error),
                hint="No page can be shown before. Leave STATIC_ROOT unset where the application serves its own files.",
                id="notifications.W016",
            )
        ]
    return []


def _check_mail() -> list[CheckMessage]:
    if not settings.EMAIL_BACKEND.endswith("console.EmailBackend"):
        return []
    return [
        Warning(
            "EMAIL_URL is the console: links for new passwords, and the daily e-mails of whoever has them on, would be "
            "written to the server's output, for whoever reads it, and reach nobody.",
            hint="Set EMAIL_URL to a mail server, such as smtp+tls://user:password@host:587.",
            id="notifications.W013",
        )
    ]


def _check_sender() -> list[CheckMessage]:
    """Mail servers refuse, or file as spam, what comes from a name that nobody can answer for."""
    host = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
    if "." in host and not host.replace(".", "").isdigit():
        return []
    return [
        Warning(
            f"DEFAULT_FROM_EMAIL is at {host or 'no host'}: mail servers take nothing from there.",
            hint="Set it to an address of a domain whose SPF and DKIM records cover your mail server.",
            id="notifications.W015",
        )
    ]
