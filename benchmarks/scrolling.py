"""How smoothly the history scrolls through 1,000 notifications, in a real Chromium, wide and narrow.

    python -m benchmarks.scrolling [--notifications 1000]

The page goes down to the last one, while older ones are appended, and up again, for at most a minute. A frame that took
longer than 50 ms may be noticed; a long task is one that kept the page from answering for 50 ms or more.
"""

import argparse
import sys
from typing import Any

from playwright.sync_api import Page, sync_playwright

from notifications.tests.browser.chromium import launch
from notifications.tests.browser.site import Site
from scripts.showcase import founded_site, sign_in

SYMBOLS = ("EURUSD", "GBPUSD", "AUDUSD", "NZDUSD", "USDCAD")
SCREENS = {"1440": (1440, 900), "390": (390, 844)}
AT_ONCE = 100

SCROLL = """async (wanted) => {
  const tasks = [];
  new PerformanceObserver((list) => tasks.push(...list.getEntries())).observe({ type: "longtask" });
  const rows = () => document.querySelectorAll("[data-list] > [data-notification]").length;
  const frames = [];
  let last = performance.now();
  const frame = () => new Promise((done) => requestAnimationFrame((now) => {
    frames.push(now - last);
    last = now;
    done();
  }));
  const ends = performance.now() + 60000;
  const atEnd = () => scrollY + innerHeight >= document.documentElement.scrollHeight - 2;
  while (!(rows() >= wanted && atEnd()) && performance.now() < ends) {
    scrollBy({ top: 120, behavior: "instant" });
    await frame();
  }
  while (scrollY > 0 && performance.now() < ends) {
    scrollBy({ top: -480, behavior: "instant" });
    await frame();
  }
  return { rows: rows(), elements: document.querySelectorAll("*").length, frames, tasks: tasks.map((t) => t.duration) };
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notifications", type=int, default=1000)
    wanted: int = parser.parse_args().notifications
    with founded_site() as site, sync_playwright() as playwright, launch(playwright) as browser:
        for _batch in range(0, wanted, AT_ONCE):
            site.make_insights(*(SYMBOLS * AT_ONCE)[:AT_ONCE])
        for screen, (width, height) in SCREENS.items():
            page = browser.new_page(viewport={"width": width, "height": height})
            print_figures(screen, measure(page, site, wanted))
            page.close()


def measure(page: Page, site: Site, wanted: int) -> dict[str, Any]:
    sign_in(page, site)
    page.goto(f"{site.url}/notifications/")
    figures: dict[str, Any] = page.evaluate(SCROLL, wanted)
    return figures


def print_figures(screen: str, figures: dict[str, Any]) -> None:
    frames = sorted(figures["frames"])
    sys.stdout.write(
        f"{screen} px: {figures['rows']} notifications, {figures['elements']} elements; {len(frames)} frames, "
        f"median {frames[len(frames) // 2]:.1f} ms, p95 {frames[len(frames) * 95 // 100]:.1f} ms, "
        f"p99 {frames[len(frames) * 99 // 100]:.1f} ms, slowest {frames[-1]:.1f} ms, "
        f"{sum(frame > 50 for frame in frames)} over 50 ms; "
        f"{len(figures['tasks'])} long tasks, the longest {max(figures['tasks'], default=0):.0f} ms\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    main()
