"""What a browser needs to install the site, and what its worker is told to keep."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from zenithedge.installing import BACKGROUNDS

pytestmark = pytest.mark.django_db


def size_of_png(address: str) -> tuple[int, int]:
    found = finders.find(address.removeprefix("/static/"))
    assert isinstance(found, str)
    content = Path(found).read_bytes()
    assert content.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def test_the_worker_stands_at_the_root_and_is_asked_for_anew_each_time() -> None:
    response = Client().get("/sw.js")

    assert response["Content-Type"] == "text/javascript; charset=utf-8"
    assert response["Cache-Control"] == "no-cache"


def test_every_file_that_the_worker_names_is_there() -> None:
    named = re.findall(r'"(/static/[^"]+)"', Client().get("/sw.js").content.decode())

    assert "/static/worker/offline.js" in named
    assert [address for address in named if not finders.find(address.removeprefix("/static/"))] == []


def test_the_worker_keeps_every_file_that_the_offline_page_asks_for() -> None:
    worker = Client().get("/sw.js").content.decode()
    page = Client().get("/offline/").content.decode()

    asked_for = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)

    assert asked_for
    assert [address for address in asked_for if f'"{address}"' not in worker] == []


def test_the_offline_page_has_the_places_that_the_worker_fills() -> None:
    page = Client().get("/offline/").content.decode()

    for place in ("data-kept hidden", "<!-- shown at -->", "<!-- rows -->"):
        assert page.count(place) == 1


def test_the_manifest_is_what_a_browser_installs_from() -> None:
    response = Client().get("/manifest.webmanifest")
    manifest = response.json()

    assert response["Content-Type"] == "application/manifest+json"
    assert (manifest["name"], manifest["start_url"], manifest["display"]) == ("ZenithEdge", "/", "standalone")
    sizes = {(icon["purpose"], icon["sizes"]) for icon in manifest["icons"]}
    assert sizes == {("any", "192x192"), ("any", "512x512"), ("maskable", "512x512")}
    for icon in manifest["icons"]:
        assert icon["sizes"] == "{}x{}".format(*size_of_png(icon["src"]))


def test_every_shortcut_leads_to_a_page(alice: object) -> None:
    client = Client()
    client.force_login(alice)  # type: ignore[arg-type]  # the fixture's user

    for shortcut in client.get("/manifest.webmanifest").json()["shortcuts"]:
        assert client.get(shortcut["url"]).status_code == 200


def test_the_colours_are_those_of_the_style_sheet() -> None:
    found = finders.find("css/zenithedge.css")
    assert isinstance(found, str)
    sheet = Path(found).read_text()

    for theme, colour in BACKGROUNDS.items():
        block = sheet.split(f'[data-bs-theme="{theme}"] {{')[1].split("}")[0]
        assert f"--back: {colour};" in block


@pytest.mark.parametrize(("cookie", "theme"), [("light", "light"), ("system-light", "light"), ("dark", "dark")])
def test_a_page_has_the_colour_of_its_theme_around_it(cookie: str, theme: str) -> None:
    client = Client()
    client.cookies["theme"] = cookie

    assert (
        f'<meta name="theme-color" content="{BACKGROUNDS[theme]}">' in client.get("/accounts/login/").content.decode()
    )
