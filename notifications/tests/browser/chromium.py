"""A Chromium that asks nobody but the site."""

import os
import shutil

from playwright.sync_api import Browser, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
]


def launch(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=path(), args=arguments())


def path() -> str | None:
    """The one at CHROMIUM_PATH, else the system's, else the one that Playwright installed."""
    installed = filter(None, map(shutil.which, NAMES))
    return os.environ.get("CHROMIUM_PATH") or next(installed, None)


def arguments() -> list[str]:
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to sandbox for root
    return [*ARGUMENTS, *sandbox]
