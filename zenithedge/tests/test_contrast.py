"""Text is legible in each theme: the colours of the stylesheet, pair by pair, by the formula of WCAG 2.2."""

from __future__ import annotations

import re
from itertools import product

import pytest
from django.conf import settings

STYLESHEET = (settings.BASE_DIR / "static" / "css" / "zenithedge.css").read_text()
AA_TEXT = 4.5
AAA_TEXT = 7.0
GROUNDS = ("back", "surface", "surface-2", "surface-3")
# (what is written, what it is written on)
PAIRS = [
    *product(("text", "text-2"), GROUNDS),
    *product(("accent", "buy", "sell", "high", "medium", "low"), ("back", "surface", "surface-2")),
    *((colour, f"{colour}-soft") for colour in ("accent", "buy", "sell", "high", "medium", "low")),
    ("on-accent", "accent-fill"),
    ("on-accent", "danger-fill"),
    ("on-accent", "badge-fill"),
]


def tokens(theme: str, *, more_contrast: bool = False) -> dict[str, str]:
    """The custom properties of a theme, as they are at the end of the cascade."""
    preferred = re.findall(r"@media \(prefers-contrast: more\) \{\n(.*?)\n\}", STYLESHEET, re.DOTALL)
    rest = re.sub(r"@media \(prefers-contrast: more\) \{\n.*?\n\}", "", STYLESHEET, flags=re.DOTALL)
    found: dict[str, str] = {}
    for text in (rest, *(preferred if more_contrast else ())):
        for block in re.findall(rf'\[data-bs-theme="{theme}"\] \{{(.*?)\}}', text, re.DOTALL):
            found |= dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]+);", block))
    return found


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    channels = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    darker, lighter = sorted((luminance(first), luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


def too_faint(colours: dict[str, str], least: float) -> dict[str, float]:
    ratios = {f"{above} on {below}": contrast(colours[above], colours[below]) for above, below in PAIRS}
    return {pair: round(ratio, 2) for pair, ratio in ratios.items() if ratio < least}


def test_the_formula_knows_its_two_ends() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#fff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_every_text_is_legible(theme: str) -> None:
    assert too_faint(tokens(theme), AA_TEXT) == {}


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_who_prefers_more_contrast_gets_more(theme: str) -> None:
    assert too_faint(tokens(theme, more_contrast=True), AAA_TEXT) == {}


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_who_prefers_more_contrast_sees_every_edge(theme: str) -> None:
    colours = tokens(theme, more_contrast=True)
    assert min(contrast(colours["line"], colours[ground]) for ground in GROUNDS) >= 3


def test_both_themes_have_the_same_tokens() -> None:
    assert tokens("dark").keys() == tokens("light").keys()
