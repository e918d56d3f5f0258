"""What `collectstatic` makes: static files under the address of a release, for browsers to keep for ever."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage
from django.http.response import HttpResponseBase
from django.test import AsyncClient

from zenithedge.static_versions import KEPT_VERSIONS, VersionedStaticFilesStorage

# Two modules that import each other, as ours do.
SOURCES = {"a.js": 'import { b } from "./b.js";', "b.js": 'import { a } from "./a.js";', "css/a.css": "a {}"}


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "sources"
    for name, text in SOURCES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def collected(tmp_path: Path) -> Path:
    return tmp_path / "collected"


def collect(sources: Path, collected: Path) -> VersionedStaticFilesStorage:
    storage = VersionedStaticFilesStorage(location=str(collected), base_url="/static/")
    found = {name: (FileSystemStorage(location=str(sources)), name) for name in SOURCES}
    assert all(processed for _, _, processed in storage.post_process(found))
    return storage


def test_files_that_name_each_other_share_one_address(sources: Path, collected: Path) -> None:
    storage = collect(sources, collected)

    addresses = {name: storage.url(name) for name in SOURCES}

    [release] = {address.removesuffix(name) for name, address in addresses.items()}
    assert release == f"/static/{storage.version}/"
    assert {name: (collected / storage.version / name).read_text() for name in SOURCES} == SOURCES


def test_each_text_has_its_compressed_form_beside_it(sources: Path, collected: Path) -> None:
    storage = collect(sources, collected)

    compressed = collected / storage.version / "css" / "a.css.gz"

    assert gzip.decompress(compressed.read_bytes()).decode() == SOURCES["css/a.css"]


def test_a_changed_file_changes_the_address_and_the_same_files_do_not(sources: Path, collected: Path) -> None:
    first = collect(sources, collected).version
    again = collect(sources, collected).version
    (sources / "a.js").write_text("changed")
    changed = collect(sources, collected).version

    assert first == again != changed


def test_servers_that_still_run_find_the_files_of_their_pages(sources: Path, collected: Path) -> None:
    running = collect(sources, collected)
    old = running.url("a.js")

    for number in range(1, KEPT_VERSIONS):
        (sources / "a.js").write_text(f"release {number}")
        collect(sources, collected)

    assert running.url("a.js") == old
    assert (collected / running.version / "a.js").exists()
    (sources / "a.js").write_text("one release more")
    collect(sources, collected)
    assert not (collected / running.version).exists()


def test_before_anything_was_collected_the_error_says_what_to_do(collected: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match="collectstatic"):
        VersionedStaticFilesStorage(location=str(collected), base_url="/static/").url("a.js")


@pytest.mark.parametrize(("accepted", "encoding"), [("gzip", "gzip"), ("identity", None)])
async def test_the_application_serves_them_too_compressed_once_and_for_ever(
    sources: Path, collected: Path, settings: object, accepted: str, encoding: str | None
) -> None:
    (sources / "css" / "a.css").write_text(
        "".join(f".a{hashlib.sha256(bytes([n])).hexdigest()} {{}}" for n in range(99))
    )
    storage = collect(sources, collected)
    settings.STATIC_ROOT, settings.SERVESTATIC_USE_STATIC_ROOT = str(collected), True  # type: ignore[attr-defined]  # pytest-django's wrapper

    response: HttpResponseBase = await AsyncClient().get(
        storage.url("css/a.css"), headers={"Accept-Encoding": accepted}
    )

    body = b"".join([chunk async for chunk in response])  # type: ignore[attr-defined]  # streams, as all files do
    assert response.headers.get("Content-Encoding") == encoding
    assert "immutable" in response.headers["Cache-Control"]
    text = gzip.decompress(body) if encoding else body
    assert text == (sources / "css" / "a.css").read_bytes()
