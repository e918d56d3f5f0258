#!/usr/bin/env python
"""Fetch the vendored browser files from npm, unmodified, at the versions that static/vendor/vendor.json pins.

    python -m scripts.vendor            fetch again; a file that differs from its pinned SHA-256 is an error
    python -m scripts.vendor --accept   fetch and pin what came (after changing a version in vendor.json)

Each entry names a package, a version, the folder under static/vendor/ and the package's files to keep. A file keeps its
path without the package's leading `dist/css/` or `dist/`, which is where its own relative addresses begin.

From the icons it makes static/css/icons.css: one request for those that the pages show, instead of a font of 2,000.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "static" / "vendor"
MANIFEST = VENDOR / "vendor.json"
LEADING = ("dist/css/", "dist/")
ICONS = VENDOR / "bootstrap-icons" / "icons"
ICON_SHEET = ROOT / "static" / "css" / "icons.css"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accept", action="store_true", help="pin the hashes of what came")
    accept = parser.parse_args().accept
    manifest = json.loads(MANIFEST.read_text())
    differing = [name for package in manifest["packages"] for name in fetch(package, accept=accept)]
    if differing:
        sys.stderr.write("Not what is pinned, left as it was:\n  " + "\n  ".join(differing) + "\n")
        return 1
    MANIFEST.write_text(json.dumps(manifest, indent=2) + "\n")
    ICON_SHEET.write_text(icon_sheet())
    return 0


def fetch(package: dict[str, Any], *, accept: bool) -> list[str]:
    """Write the package's files; the names of those that differ from their pinned hash, which are not written."""
    differing = []
    for name, content in unpacked(f"{package['name']}@{package['version']}", list(package["files"])).items():
        digest = hashlib.sha256(content).hexdigest()
        if not accept and digest != package["files"][name]:
            differing.append(f"{package['name']} {name}")
            continue
        package["files"][name] = digest
        target = target_path(package["folder"], name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        sys.stdout.write(f"{target.relative_to(VENDOR)}  {len(content):,} bytes\n")
    return differing


def unpacked(specifier: str, names: list[str]) -> dict[str, bytes]:
    """The named files of an npm package; KeyError when it has no such file."""
    with tempfile.TemporaryDirectory() as folder:
        # npm checks the archive against the registry's own integrity hash.
        command = [sys.executable, "-m", "scripts.node", "npm", "pack", specifier, "--silent"]
        command += ["--pack-destination", folder]
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        [archive] = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as tar:
            return {name: read_member(tar, f"package/{name}") for name in names}


def read_member(tar: tarfile.TarFile, name: str) -> bytes:
    member = tar.extractfile(name)
    if member is None:
        raise KeyError(name)
    return member.read()


def icon_sheet() -> str:
    """A style sheet with a rule for each vendored icon, which zenithedge.css shows as a mask in the text's colour."""
    rules = [
        f'.bi-{path.stem} {{\n  --icon: url("{data_address(path)}");\n}}\n' for path in sorted(ICONS.glob("*.svg"))
    ]
    return (
        "/* Bootstrap Icons (MIT), made from static/vendor/bootstrap-icons/ by scripts/vendor.py. */\n\n"
        + "\n".join(rules)
    )


def data_address(path: Path) -> str:
    text = " ".join(path.read_text().split()).replace("> <", "><").replace('"', "'")
    return "data:image/svg+xml," + quote(text, safe=" '=:/(),;")


def target_path(folder: str, name: str) -> Path:
    for leading in LEADING:
        name = name.removeprefix(leading)
    return VENDOR / folder / name


if __name__ == "__main__":
    sys.exit(main())
