import datetime as dt
import io
import json
import logging
import logging.config
import logging.handlers
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from daphne.access import AccessLogGenerator
from django.conf import settings
from django.core.exceptions import BadRequest, DisallowedHost
from django.utils import timezone
from uvicorn.logging import AccessFormatter

from scripts import nginx
from zenithedge.logs import JsonFormatter, mask_secrets, mask_server_access_logs

PATH = "/signals/webhook/s3cret-token_1/"
LEAVING = "/notifications/digest/unsubscribe/12.s3cret/"
RESET = "/accounts/reset/MQ/d1b-s3cret/"


def site_formatter(form: str = "line") -> logging.Formatter:
    formatters: Any = settings.LOGGING["formatters"]
    if form == "json":  # Django has taken the name of its class out of the setting when it made one
        return JsonFormatter()
    formatter = logging.config.DictConfigurator({}).configure_formatter(formatters[form])
    assert isinstance(formatter, logging.Formatter)
    return formatter


@pytest.mark.parametrize("path", [PATH, PATH.rstrip("/"), f"{PATH}?a=1", f"https://hub.example{PATH}"])
def test_the_token_in_a_webhook_address_is_masked(path: str) -> None:
    masked = mask_secrets(f'"POST {path} HTTP/1.1" 201')

    assert "s3cret" not in masked
    assert masked.startswith('"POST ')
    assert "/signals/webhook/***" in masked
    assert masked.endswith(' HTTP/1.1" 201')


@pytest.mark.parametrize(
    "path",
    [
        LEAVING,
        RESET,
        "/accounts%2freset//MQ%2fs3cret/further",
        "/notifications%2fdigest%2Funsubscribe//12.s3cret",
        "/signals%2Fwebhook/s3cret/",
        "/signals/webhook%2fs3cret",
        "//signals//webhook//s3cret/",
        "/Signals/Webhook/s3cret/",
    ],
)
def test_no_spelling_of_the_address_shows_the_token(path: str) -> None:
    masked = mask_secrets(f"GET {path} HTTP/1.1")

    assert "s3cret" not in masked
    assert masked.endswith(" HTTP/1.1")


@pytest.mark.parametrize("path", ["/signals/insight/28/", "/accounts/reset/done/"])
def test_other_addresses_stay_as_they_are(path: str) -> None:
    assert mask_secrets(f"GET {path} HTTP/1.1") == f"GET {path} HTTP/1.1"


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        (f"Not Found: {PATH}", ()),
        ("Not Found: %s", (PATH,)),
        ("%(method)s %(path)s", ({"method": "POST", "path": PATH},)),
        ("Refused: %s", (ValueError(PATH),)),
    ],
)
@pytest.mark.parametrize("form", ["line", "json"])
def test_no_log_line_shows_a_token(message: str, arguments: tuple[object, ...], form: str) -> None:
    line = site_formatter(form).format(logging.LogRecord("any", logging.INFO, __file__, 1, message, arguments, None))

    assert "s3cret" not in line
    assert "/signals/webhook/***/" in line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{'bob.m+x@example.org': b'<bob@example.org> no'}", "{'***@example.org': b'<***@example.org> no'}"),
        ("GET /x/?a=1&api_key=s3cret&b=2", "GET /x/?a=1&api_key=***&b=2"),
        ("müller@example.de is refused", "***@example.de is refused"),
        ("postgresql://hub:s3cret@db.internal/hub", "postgresql://***@db.internal/hub"),
        ("redis://:s3cret@127.0.0.1:6379/0", "redis://***@127.0.0.1:6379/0"),
        ("refused DETAIL:  Failing row contains (7, s3cret (x), t).", "refused DETAIL:  Failing row contains (***)."),
        ("twice DETAIL:  Key (endpoint)=(https://s3cret/) already", "twice DETAIL:  Key (endpoint)=(***) already"),
        ("@receiver(post_save) at 5 @ home", "@receiver(post_save) at 5 @ home"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["line", "json"])
def test_no_log_line_shows_an_e_mail_address_or_a_services_password(text: str, shown: str, form: str) -> None:
    line = site_formatter(form).format(logging.LogRecord("any", logging.INFO, __file__, 1, "%s", (text,), None))
    assert (json.loads(line)["event"] if form == "json" else line).endswith(shown)


@pytest.mark.parametrize("path", ['/signals/webhook/a"b/', "/signals/webhook/a\\ub/", "/signals/webhook/mü/"])
def test_a_masked_json_entry_is_still_one(path: str) -> None:
    line = site_formatter("json").format(logging.LogRecord("any", logging.INFO, __file__, 1, path, (), None))
    assert json.loads(line)["event"].startswith("/signals/webhook/***")


def test_what_a_call_gives_beside_the_text_is_masked_too() -> None:
    record = logging.LogRecord("any", logging.INFO, __file__, 1, "x", (), None)
    record.given = {"to": ["bob@example.org"], "error": ValueError(PATH)}
    line = site_formatter("json").format(record)
    assert json.loads(line)["given"]["to"] == ["***@example.org"]
    assert "s3cret" not in line


@pytest.mark.parametrize("form", ["line", "json"])
def test_no_traceback_in_the_log_shows_a_token(form: str) -> None:
    try:
        raise ValueError(PATH)
    except ValueError:
        record = logging.LogRecord("any", logging.ERROR, __file__, 1, "Failed", (), sys.exc_info())

    line = site_formatter(form).format(record)

    assert "ValueError: /signals/webhook/***/" in line
    assert "s3cret" not in line


def test_uvicorns_access_log_shows_no_token() -> None:
    mask_server_access_logs()
    arguments = ("127.0.0.1:5", "POST", PATH, "1.1", 201)
    record = logging.LogRecord("uvicorn.access", logging.INFO, "", 1, '%s - "%s %s HTTP/%s" %d', arguments, None)

    logging.getLogger("uvicorn.access").filter(record)

    line = AccessFormatter("%(client_addr)s %(request_line)s %(status_code)s", use_colors=False).format(record)
    assert line == "127.0.0.1:5 POST /signals/webhook/***/ HTTP/1.1 201 Created"


@pytest.mark.parametrize(
    "path",
    [
        f"{PATH}?a=1",
        f"{LEAVING}?a=1",
        f"{RESET}?a=1",
        "/accounts%2freset//MQ%2fs3cret/further",
        PATH.rstrip("/"),
        "/Signals/Webhook/s3cret",
        "//signals//webhook//s3cret/",
        "/signals%2Fwebhook%2fs3cret/",
        "/x/../signals/webhook/s3cret/",
    ],
)
def test_nginxs_access_log_shows_no_token(path: str) -> None:
    """The expression of its `map`, which nginx gives to PCRE; both name groups.

    That of its second `map` is for what has been resolved (test_nginx.py).
    """
    site = nginx.Site(["127.0.0.1:8001"]).render()
    (pattern, shown), _resolved = re.findall(r'^ *"~\*(.+?)" "(.+?)";$', site, re.MULTILINE)
    expression = re.compile(pattern.replace("(?<", "(?P<"), re.IGNORECASE)
    found = expression.search(path)

    assert found is not None
    assert "s3cret" not in shown.replace("${before_token}", found["before_token"])
    assert "access_log" in site
    log_format = site.partition("log_format")[2].partition(";")[0]
    assert "$logged_uri" in log_format
    assert re.search(r"\$(request|request_uri|uri|args|http_referer)\b", log_format) is None


@pytest.mark.parametrize(
    ("path", "written"),
    [
        (PATH, "/signals/webhook/***/"),
        ("/signals/%77ebhook/s3cret/", "/signals/webhook/***/"),
        ("/accounts/%72eset/MQ/s3cret/?of=a%40example.org", "/accounts/reset/MQ/***/?of=***@example.org"),
        ("/signals/webhook/%20s3cret%20s3cret/", "/signals/webhook/***/"),
        ("/signals/%77ebhook/s3cret%0aGET%20/", r"/signals/webhook/***\nGET /"),
        ("/notifications/?q=%F0%9F%9F%A2", "/notifications/?q=%F0%9F%9F%A2"),
    ],
)
def test_daphnes_access_log_shows_no_token(path: str, written: str) -> None:
    mask_server_access_logs()
    mask_server_access_logs()  # importing twice must not wrap twice
    stream = io.StringIO()

    AccessLogGenerator(stream).write_entry(
        host="127.0.0.1:5", date=timezone.make_naive(timezone.now()), request=f"POST {path}", status=201, length=9
    )

    assert f'POST {written}" 201 9' in stream.getvalue()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a\nb\r\nc", r"a\nb\r\nc"),
        ("a\x1b[2Jb\x00\x07", r"a\x1b[2Jb\x00\x07"),
        ("a\u202egnp.exe\u200b", r"a\u202egnp.exe\u200b"),
        ("a\u2028b\x85c", r"a\u2028b\x85c"),
        ("half \ud83d", r"half \ud83d"),
        ("🟢 Grüße – ⚠️", "🟢 Grüße – ⚠️"),
    ],
    ids=["lines", "terminal", "direction", "separators", "surrogate", "honest"],
)
def test_an_entry_is_one_line_that_every_terminal_and_file_takes(text: str, written: str) -> None:
    record = logging.LogRecord("any", logging.INFO, __file__, 1, "Refused: %s", (text,), None)
    line = site_formatter().format(record)
    assert line.endswith(f"Refused: {written}")
    assert line.encode().count(b"\n") == 0


def test_nobody_forges_an_entry_through_a_traceback() -> None:
    forged = "2026-05-04 09:30:00,000 INFO signals: Signal 1: received"
    try:
        raise ValueError(f"x\n{forged}\n\x1b[2J\ud83d")
    except ValueError:
        record = logging.LogRecord("any", logging.ERROR, __file__, 1, "Failed", (), sys.exc_info())

    first, *rest = site_formatter().format(record).encode().decode().split("\n")

    assert first.endswith("Failed")
    assert rest
    assert all(line.startswith("    ") for line in rest)
    assert "\x1b" not in "".join(rest)


@pytest.mark.parametrize("form", ["line", "json"])
@pytest.mark.parametrize("fault", [DisallowedHost("evil.example"), BadRequest("no name")], ids=repr)
def test_what_a_client_did_wrong_costs_one_line(fault: Exception, form: str) -> None:
    try:
        raise fault
    except type(fault):
        record = logging.LogRecord("any", logging.ERROR, __file__, 1, "Refused", (), sys.exc_info())

    line = site_formatter(form).format(record)
    assert "\n" not in line
    assert "Traceback" not in line


@pytest.mark.parametrize("text", ["a\nb\r\nc", "a\x1b[2Jb\x00", "a\u202eb\u2028c", "half \ud83d", "🟢 Grüße"])
def test_a_json_entry_is_one_line_that_says_what_was_said(text: str) -> None:
    record = logging.LogRecord("signals.webhook", logging.WARNING, __file__, 1, "Refused: %s", (text,), None)

    line = site_formatter("json").format(record)

    entry = json.loads(line)
    assert entry["event"] == f"Refused: {text}"
    assert (entry["level"], entry["logger"]) == ("warning", "signals.webhook")
    assert dt.datetime.fromisoformat(entry["timestamp"]).utcoffset() == dt.timedelta(0)
    assert line.isascii()
    assert line.isprintable()


def test_a_json_entry_holds_the_traceback_and_what_the_call_gave() -> None:
    try:
        raise ValueError("no")
    except ValueError:
        record = logging.LogRecord("any", logging.ERROR, __file__, 1, "Failed", (), sys.exc_info())
    record.notification_id = 7

    entry = json.loads(site_formatter("json").format(record))

    assert entry["exception"].endswith("ValueError: no")
    assert entry["notification_id"] == 7


def test_the_log_file_is_rotated_before_it_fills_the_disk(tmp_path: Path) -> None:
    handlers: Any = settings.LOGGING["handlers"]
    configured = handlers["file"]
    options = {name: value for name, value in configured.items() if name not in ("class", "formatter")}
    handler = logging.handlers.RotatingFileHandler(**options | {"filename": tmp_path / "django.log", "maxBytes": 1000})
    for number in range(2000):
        handler.emit(logging.LogRecord("any", logging.INFO, __file__, 1, "line %d", (number,), None))
    handler.close()
    assert (configured["class"], configured["maxBytes"]) == ("logging.handlers.RotatingFileHandler", 10 * 1024 * 1024)
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["django.log", *(f"django.log.{number}" for number in range(1, configured["backupCount"] + 1))]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())
