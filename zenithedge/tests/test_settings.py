"""What the environment makes of the settings; each case runs the settings file anew."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import get_commands

SETTINGS_FILE = settings.BASE_DIR / "zenithedge" / "settings.py"
VARIABLES = ("DATABASE_URL", "REDIS_URL", "SITE_URL", "EMAIL_URL", "DJANGO_SECRET_KEY", "DJANGO_DEBUG", "TIME_ZONE")


@pytest.fixture
def load_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run the settings file with these variables and no others."""

    def load(**variables: str) -> dict[str, Any]:
        for name in (*VARIABLES, "DJANGO_ALLOWED_HOSTS"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("LOG_FILE", str(tmp_path / "logs" / "django.log"))
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(str(SETTINGS_FILE))

    return load


def test_without_variables_the_site_needs_nothing_else(load_settings: Any) -> None:
    values = load_settings()

    assert values["DEBUG"] is False
    assert values["DATABASES"]["default"]["ENGINE"] == "django.db.backends.sqlite3"
    assert values["CHANNEL_LAYERS"]["default"]["BACKEND"] == "channels.layers.InMemoryChannelLayer"
    assert values["EMAIL_BACKEND"] == "django.core.mail.backends.console.EmailBackend"
    assert {"localhost", "127.0.0.1"} <= set(values["ALLOWED_HOSTS"])
    assert not values.get("SECURE_SSL_REDIRECT")


def test_the_given_secret_key_is_used(load_settings: Any) -> None:
    assert load_settings(DJANGO_SECRET_KEY="given")["SECRET_KEY"] == "given"


def test_an_https_site_gets_secure_cookies_and_hsts(load_settings: Any) -> None:
    values = load_settings(SITE_URL="https://hub.example/")

    assert values["SESSION_COOKIE_SECURE"]
    assert values["CSRF_COOKIE_SECURE"]
    assert values["SECURE_SSL_REDIRECT"]
    assert values["SECURE_HSTS_SECONDS"] > 0
    assert values["CSRF_TRUSTED_ORIGINS"] == ["https://hub.example"]
    assert "hub.example" in values["ALLOWED_HOSTS"]


def test_an_http_site_keeps_cookies_usable_without_tls(load_settings: Any) -> None:
    values = load_settings(SITE_URL="http://127.0.0.1:8001")

    assert not values.get("SESSION_COOKIE_SECURE")
    assert values["SECURE_PROXY_SSL_HEADER"] is None


def test_a_postgresql_address_gives_a_pool_and_keeps_its_own_options(load_settings: Any) -> None:
    database = load_settings(DATABASE_URL="postgresql://hub:pw@db.example:5433/hub?sslmode=require")["DATABASES"][
        "default"
    ]

    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert database["OPTIONS"]["sslmode"] == "require"
    assert database["OPTIONS"]["pool"]["max_size"] >= 2
    assert database["CONN_MAX_AGE"] == 0  # the pool's connections are not kept a second time


def test_a_redis_address_gives_the_channel_layer_time_outs_and_the_cache(load_settings: Any) -> None:
    values = load_settings(REDIS_URL="redis://redis.example:6379/1")

    [host] = values["CHANNEL_LAYERS"]["default"]["CONFIG"]["hosts"]
    assert host["address"] == "redis://redis.example:6379/1"
    assert host["socket_timeout"] > 5  # redis-py's own blocking calls last 5 s
    assert host["socket_connect_timeout"] <= 2
    assert values["CACHES"]["default"]["LOCATION"] == "redis://redis.example:6379/1"


def test_every_command_is_in_the_readme() -> None:
    commands = {name for name, app in get_commands().items() if app in {"notifications", "signals", "zenithedge"}}
    readme = (settings.BASE_DIR / "README.md").read_text(encoding="utf-8")

    assert commands
    assert {name for name in commands if not re.search(rf"^\| `{name}[ `]", readme, re.MULTILINE)} == set()


def test_every_page_of_the_documentation_is_linked_in_the_readme() -> None:
    readme = (settings.BASE_DIR / "README.md").read_text(encoding="utf-8")
    pages = {path.name for path in (settings.BASE_DIR / "docs").iterdir() if path.is_file()}

    assert pages
    assert {name for name in pages if f"(docs/{name})" not in readme} == set()
