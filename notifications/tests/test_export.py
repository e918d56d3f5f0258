"""The history as a CSV file."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Callable
from decimal import Decimal

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.http import StreamingHttpResponse
from django.test import AsyncClient, Client
from django.utils import timezone

from notifications import export
from notifications.payloads import iso, to_milliseconds
from notifications.tests.rows import store_notification
from signals.models import Signal

MakeSignal = Callable[..., Signal]


@async_to_sync
async def download(user: User, query: str = "") -> list[dict[str, str]]:
    client = AsyncClient()
    await client.aforce_login(user)
    response = await client.get(f"/notifications/export.csv{query}", headers={"Accept-Encoding": "gzip"})
    assert response.status_code == 200
    assert isinstance(response, StreamingHttpResponse)
    text = b"".join([part async for part in response]).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_file_has_every_notification_newest_first_in_however_many_pages(
    alice: User, make_signal: MakeSignal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 3)
    stored = [store_notification(alice, make_signal()) for _ in range(7)]

    rows = download(alice)

    assert [row["created_at"] for row in rows] == [iso(each.created_at) for each in reversed(stored)]


def test_what_a_brief_told_of_is_in_the_file_whole_in_however_many_pages(
    alice: User, make_signal: MakeSignal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 2)
    released = to_milliseconds(timezone.now())
    for confidence in (70, 90, 80, 80, 90):
        store_notification(alice, make_signal(), released_at=released, confidence=confidence)

    rows = download(alice, f"?released={iso(released)}")

    assert [int(float(row["ai_confidence"])) for row in rows] == [90, 90, 80, 80, 70]


def test_it_is_narrowed_like_the_page(alice: User, make_signal: MakeSignal) -> None:
    store_notification(alice, make_signal())
    store_notification(alice, make_signal(symbol="XAUUSD"))

    assert [row["symbol"] for row in download(alice, "?symbol=XAUUSD")] == ["XAUUSD"]


def test_it_has_what_is_held_and_says_until_when(alice: User, make_signal: MakeSignal) -> None:
    until = timezone.now() + dt.timedelta(hours=5)
    store_notification(alice, make_signal())
    store_notification(alice, make_signal(), seq=None, held_until=until)

    [row] = download(alice, "?state=held&q=solid")

    assert (row["state"], row["held_until"]) == ("held", iso(until))


def test_nobody_elses_notification_is_in_it(alice: User, bob: User, make_signal: MakeSignal) -> None:
    store_notification(bob, make_signal())

    assert download(alice) == []


@pytest.mark.parametrize(
    "hostile", ['=HYPERLINK("http://evil")', "+1+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"], ids=repr
)
def test_no_cell_is_a_formula(alice: User, make_signal: MakeSignal, hostile: str) -> None:
    store_notification(alice, make_signal(strategy=hostile), title=hostile, snippet=hostile, news_headline=hostile)

    [row] = download(alice)

    assert {row[name] for name in ("strategy", "title", "text", "news")} == {f"'{hostile}"}


def test_quotes_commas_and_line_ends_come_back_as_they_were(alice: User, make_signal: MakeSignal) -> None:
    text = 'He said "buy, now"\nand left'
    store_notification(alice, make_signal(), snippet=text)

    [row] = download(alice)

    assert (row["text"], Decimal(row["ai_confidence"])) == (text, Decimal(78))


def test_who_is_signed_out_gets_no_file(client: Client) -> None:
    assert client.get("/notifications/export.csv").status_code == 302
