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
    """The one at CHROMIUM_PATH, else the system's, else the one that Playwright installed."""
    installed = filter(None, map(shutil.which, NAMES))
    path = os.environ.get("CHROMIUM_PATH") or next(installed, None)
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to sandbox for root
    return playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *sandbox])
