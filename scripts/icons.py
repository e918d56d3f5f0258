"""Make the app's icons anew from static/icon.svg, with Chromium: `python -m scripts.icons`.

A maskable icon may be cut to any shape: it fills its square, and what matters stays within the middle 80 %. The badge
is what Android shows in its status bar: of its picture only the opacity counts.
"""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from notifications.tests.browser.chromium import launch

STATIC = Path(__file__).resolve().parent.parent / "static"
SOURCE = STATIC / "icon.svg"
FOLDER = STATIC / "icons"
SAFE_PART = 0.8
BACKGROUND = re.compile(r'<rect [^>]*fill="(#\w+)"/>')


def main() -> None:
    svg = SOURCE.read_text()
    pictures = {
        "app-192.png": (svg, 192),
        "app-512.png": (svg, 512),
        "app-maskable-512.png": (maskable(svg), 512),
        "apple-touch-180.png": (maskable(svg), 180),
        "badge-96.png": (badge(svg), 96),
    }
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright, launch(playwright) as browser:
        for name, (picture, pixels) in pictures.items():
            (FOLDER / name).write_bytes(drawn(browser, picture, pixels))


def maskable(svg: str) -> str:
    """On a ground without round corners, and a little smaller."""
    [colour] = BACKGROUND.findall(svg)
    ground = f'<rect width="32" height="32" fill="{colour}"/>'
    margin = 32 * (1 - SAFE_PART) / 2
    drawing = f'<g transform="translate({margin} {margin}) scale({SAFE_PART})">'
    return BACKGROUND.sub(ground + drawing, svg).replace("</svg>", "</g></svg>")


def badge(svg: str) -> str:
    """The drawing alone, in white."""
    return re.sub(r'fill="#ffd479"', 'fill="#fff"', BACKGROUND.sub("", svg))


def drawn(browser: Browser, svg: str, pixels: int) -> bytes:
    page = browser.new_page(viewport={"width": pixels, "height": pixels})
    sized = svg.replace("<svg ", f'<svg width="{pixels}" height="{pixels}" style="display: block" ', 1)
    page.set_content(f'<body style="margin: 0">{sized}')
    picture = page.screenshot(omit_background=True)
    page.close()
    return picture


if __name__ == "__main__":
    main()
