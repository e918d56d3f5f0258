"""What the tests need beside Python: found, or fetched without asking. Each function says what it does."""

import contextlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scripts import node, with_services
from scripts.processes import ProcessError

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class MissingError(Exception):
    """It cannot be had here; the text says what and why."""


def chromium() -> str:
    """The path of a Chromium that starts: this machine's, else apt's (as root), else Playwright's own."""
    for find in (_given, _installed, _from_apt, _from_playwright):
        path = find()
        if path and _starts(path):
            _say("Chromium", path)
            return path
    raise MissingError("Chromium cannot be had: set CHROMIUM_PATH, or install it; the browser tests need it")


def nginx() -> str:
    """The path of an nginx: this machine's, else apt's (as root)."""
    path = installed_nginx()
    if not path and _apt_installs("nginx", "nginx-light"):
        path = installed_nginx()
    if not path:
        raise MissingError("nginx cannot be had: install it, on Debian or Ubuntu: sudo apt-get install nginx-light")
    return path


def installed_nginx() -> str | None:
    """Debian puts it where only root's PATH looks."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def faketime() -> str:
    """The path of libfaketime: this machine's, else apt's (as root)."""
    path = _installed_faketime()
    if not path and _apt_installs("libfaketime", "faketime"):
        path = _installed_faketime()
    if not path:
        raise MissingError("libfaketime cannot be had: install it, on Debian or Ubuntu: sudo apt-get install faketime")
    return path


def _installed_faketime() -> str | None:
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    return str(found[0]) if found else None


def promtool() -> str:
    """The path of Prometheus' promtool: this machine's, else out of Debian's package, which is not installed for it."""
    kept = ROOT / "var" / "promtool"
    path = shutil.which("promtool") or (str(kept) if kept.exists() else None)
    if not path and _apt_unpacks("promtool", "prometheus", "./usr/bin/promtool", kept):
        path = str(kept)
    if not path:
        raise MissingError(
            "promtool cannot be had: install Prometheus, on Debian or Ubuntu: apt-get install prometheus"
        )
    return path


def node_js() -> str:
    path = node.node()
    if not path:
        raise MissingError("Node.js cannot be had: the tests of the front-end modules need it")
    _say("Node.js", str(path))
    return str(path)


def node_packages() -> str:
    """The folder of the packages that package-lock.json names; npm installs them when they are missing or others."""
    folder = ROOT / "node_modules"
    if not _is_current(folder / ".made", (ROOT / name for name in ("package.json", "package-lock.json", ".npmrc"))):
        _say("npm packages", "missing or outdated, installing them ...")
        command = [sys.executable, "-m", "scripts.node", "npm", "ci", "--no-progress", "--loglevel=error"]
        if subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode:
            raise MissingError("The packages in package-lock.json cannot be had from npm: axe-core needs them")
        (folder / ".made").touch()
    _say("npm packages", str(folder))
    return str(folder)


def services() -> str:
    """PostgreSQL and Redis, as scripts.with_services finds them."""
    try:
        programs, redis_server = with_services.postgres_programs(), with_services.redis_server()
    except ProcessError as error:
        raise MissingError(str(error).rstrip(".")) from error
    _say("PostgreSQL", str(programs))
    _say("Redis", redis_server)
    return f"{programs}, {redis_server}"


def _is_current(stamp: Path, sources: Iterable[Path]) -> bool:
    return stamp.exists() and all(source.stat().st_mtime <= stamp.stat().st_mtime for source in sources)


def _given() -> str | None:
    return os.environ.get("CHROMIUM_PATH")


def _installed() -> str | None:
    return next((path for path in map(shutil.which, CHROMIUM_NAMES) if path), None)


def _from_apt() -> str | None:
    return _installed() if _apt_installs("Chromium", "chromium") else None


def _apt_installs(name: str, package: str) -> bool:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    _say(name, "none here, installing it with apt-get ...")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-qq", "-y", package]):
        if subprocess.run(command, env=environment, stdout=subprocess.DEVNULL).returncode:
            return False
    return True


def _apt_unpacks(name: str, package: str, member: str, kept: Path) -> bool:
    """One program of a package that brings a service along, which nobody wants to run."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        return False
    _say(name, f"none here, taking it from Debian's package {package} ...")
    with tempfile.TemporaryDirectory() as directory:
        quietly: dict[str, Any] = {"cwd": directory, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        if os.geteuid() == 0:
            subprocess.run(["apt-get", "update", "-qq"], **quietly)
        subprocess.run(["apt-get", "download", "-qq", package], **quietly)
        for found in Path(directory).glob("*.deb"):
            content = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(found)], capture_output=True).stdout
            with tarfile.open(fileobj=io.BytesIO(content)) as files, contextlib.suppress(KeyError):
                file = files.extractfile(member)
                if file is not None:
                    kept.parent.mkdir(exist_ok=True)
                    kept.write_bytes(file.read())
                    kept.chmod(0o755)
    return kept.exists()


def _from_playwright() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    if not Path(path).exists():
        _say("Chromium", "none here, downloading Playwright's ...")
        as_root = ["--with-deps"] if os.geteuid() == 0 and shutil.which("apt-get") else []
        subprocess.run([sys.executable, "-m", "playwright", "install", *as_root, "chromium"])
    return path if Path(path).exists() else None


def _starts(path: str) -> bool:
    """Ubuntu's `chromium` is a stub that only works where snap does."""
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=60).returncode == 0
    except OSError:
        return False


def _say(name: str, what: str) -> None:
    print(f"  {name}: {what}", flush=True)
