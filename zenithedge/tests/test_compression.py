"""Texts are compressed for who takes them so, and are the same texts."""

import gzip
from pathlib import Path

import pytest
from django.conf import settings
from django.http.response import HttpResponseBase
from django.test import AsyncClient

from zenithedge import compression

STYLES = "vendor/bootstrap/bootstrap.min.css"


async def get(path: str, **headers: str) -> HttpResponseBase:
    response: HttpResponseBase = await AsyncClient().get(f"{settings.STATIC_URL}{path}", headers=headers)
    return response


async def content(response: HttpResponseBase) -> bytes:
    return b"".join([chunk async for chunk in response]) if response.streaming else response.content  # type: ignore[attr-defined]


def source(path: str) -> bytes:
    return (Path(settings.BASE_DIR) / "static" / path).read_bytes()


async def test_a_style_sheet_is_a_fraction_of_its_size_and_whole() -> None:
    for _first_and_kept in range(2):
        response = await get(STYLES, **{"Accept-Encoding": "br, gzip"})

        body = await content(response)
        assert response.headers["Content-Encoding"] == "gzip"
        assert response.headers["Vary"] == "Accept-Encoding"
        assert int(response.headers["Content-Length"]) == len(body) < len(source(STYLES)) / 4
        assert gzip.decompress(body) == source(STYLES)


@pytest.mark.parametrize("headers", [{}, {"Accept-Encoding": "br"}])
async def test_who_does_not_take_gzip_gets_it_plain(headers: dict[str, str]) -> None:
    response = await get(STYLES, **headers)

    assert "Content-Encoding" not in response.headers
    assert response.headers["Vary"] == "Accept-Encoding"
    assert await content(response) == source(STYLES)


async def test_a_part_of_a_file_is_a_part_of_the_plain_one() -> None:
    response = await get(STYLES, **{"Accept-Encoding": "gzip", "Range": "bytes=0-99"})

    assert response.status_code == 206
    assert "Content-Encoding" not in response.headers
    assert await content(response) == source(STYLES)[:100]


async def test_a_font_is_kept_for_a_week_and_not_compressed_again() -> None:
    response = await get("vendor/inter/files/inter-latin-wght-normal.woff2", **{"Accept-Encoding": "gzip"})

    assert "Content-Encoding" not in response.headers
    assert response.headers["Cache-Control"] == "max-age=604800, public"


async def test_who_has_it_already_is_told_so() -> None:
    first = await get(STYLES, **{"Accept-Encoding": "gzip"})

    again = await get(STYLES, **{"Accept-Encoding": "gzip", "If-None-Match": first.headers["ETag"]})

    assert again.status_code == 304
    assert "Content-Encoding" not in again.headers


async def test_a_changed_file_is_compressed_anew() -> None:
    address = f"{settings.STATIC_URL}{STYLES}"
    compression._compressed[address] = ('"of an older file"', b"what it was")

    response = await get(STYLES, **{"Accept-Encoding": "gzip"})

    assert gzip.decompress(await content(response)) == source(STYLES)


async def test_pages_are_compressed_too() -> None:
    response = await AsyncClient().get("/accounts/login/", headers={"Accept-Encoding": "gzip"})

    assert response.headers["Content-Encoding"] == "gzip"
    assert b"Sign in" in gzip.decompress(response.content)
