"""A Chromium that asks nobody but the site."""

import os
import shutil

from playwright.sync_api import Browser, Playwright

ARGUMENTS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
]


def launch(playwright: Playwright) -> Browser:
    """The one at CHROMIUM_PATH, else the system's, else the one that Playwright installed."""
    path = os.environ.get("CHROMIUM_PATH") or shutil.which("chromium") or shutil.which("google-chrome")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to sandbox for root
    return playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *sandbox])
