"""What the tests need beside Python: found, or fetched without asking. Each function says what it does."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from scripts import node, with_services

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


def node_js() -> str:
    path = node.node()
    if not path:
        raise MissingError("Node.js cannot be had: the tests of the front-end modules need it")
    _say("Node.js", str(path))
    return str(path)


def services() -> str:
    """PostgreSQL and Redis, as scripts.with_services finds them."""
    try:
        programs, redis_server = with_services.postgres_programs(), with_services.redis_server()
    except with_services.ServiceError as error:
        raise MissingError(str(error).rstrip(".")) from error
    _say("PostgreSQL", str(programs))
    _say("Redis", redis_server)
    return f"{programs}, {redis_server}"


def _given() -> str | None:
    return os.environ.get("CHROMIUM_PATH")


def _installed() -> str | None:
    return next((path for path in map(shutil.which, CHROMIUM_NAMES) if path), None)


def _from_apt() -> str | None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return None
    _say("Chromium", "none here, installing it with apt-get ...")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-qq", "-y", "chromium"]):
        if subprocess.run(command, env=environment, stdout=subprocess.DEVNULL).returncode:
            return None
    return _installed()


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
