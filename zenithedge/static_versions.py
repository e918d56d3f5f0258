"""Static files under one address for each release, `/static/v-<hash of all files>/…`, which browsers keep for ever.

Not a hash in the name of each file, as Django's own storage has it: our modules import one another in circles, for
which it finds no names that stay. Relative addresses, between modules and in style sheets, hold as they are.

Used when STATIC_ROOT is set; `collectstatic` then writes what nginx serves. Versions before stay for a while, for the
pages of servers that have not been restarted yet.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.contrib.staticfiles.storage import StaticFilesStorage
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.utils.functional import cached_property

VERSION_FILE = "version.txt"
KEPT_VERSIONS = 3
TEXTS = {".css", ".js", ".mjs", ".svg", ".json", ".map"}

VERSIONED = re.compile(r"v-[0-9a-f]{12}/")

Found = Mapping[str, tuple[Storage, str]]


class VersionedStaticFilesStorage(StaticFilesStorage):
    """Raises ImproperlyConfigured when an address is asked for before anything was collected."""

    @cached_property
    def version(self) -> str:
        """What was collected when this process first asked: its pages and their files belong together."""
        try:
            return Path(self.path(VERSION_FILE)).read_text(encoding="utf-8").strip()
        except FileNotFoundError as error:
            raise ImproperlyConfigured(
                f"STATIC_ROOT {self.location} holds no static files: run `manage.py collectstatic`."
            ) from error

    def url(self, name: str | None) -> str:
        return super().url(f"{self.version}/{name}")

    def post_process(self, paths: Found, dry_run: bool = False, **options: Any) -> Iterator[tuple[str, str, bool]]:
        if dry_run:
            return
        contents = {name: self._read(storage, path) for name, (storage, path) in sorted(paths.items())}
        version = f"v-{_hash(contents)}"
        for name, content in contents.items():
            yield name, self._write(f"{version}/{name}", content), True
        self._write(VERSION_FILE, version.encode())
        Path(self.path(version)).touch()  # so that one that comes back is not the oldest
        self._forget_old()

    def _read(self, storage: Storage, path: str) -> bytes:
        with storage.open(path) as file:
            content: bytes = file.read()
        return content

    def _write(self, name: str, content: bytes) -> str:
        """The file and, where it is worth it, its compressed form, which nginx hands out as it is."""
        self._replace(name, content)
        if Path(name).suffix in TEXTS:
            self._replace(f"{name}.gz", gzip.compress(content, mtime=0))
        return name

    def _replace(self, name: str, content: bytes) -> None:
        """Under its name there is either the old content or the whole new one: servers read meanwhile."""
        draft = f"{name}.draft"
        self.delete(draft)
        self.save(draft, ContentFile(content))
        Path(self.path(draft)).replace(self.path(name))

    def _forget_old(self) -> None:
        versions = sorted(Path(self.location).glob("v-*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
        for folder in versions[KEPT_VERSIONS:]:
            shutil.rmtree(folder)


def is_versioned(name: str) -> bool:
    """Whether what lies under this name, within STATIC_URL, never changes."""
    return VERSIONED.match(name) is not None


def _hash(contents: Mapping[str, bytes]) -> str:
    everything = hashlib.sha256()
    for name, content in contents.items():
        everything.update(f"{name}\0{len(content)}\0".encode())
        everything.update(content)
    return everything.hexdigest()[:12]
