"""Time and size of the report by number of trials, and how fast Chromium shows it.

    python benchmarks/report.py [--trials 10 100 1000 10000] [--epochs 100] [--browser] [--keep DIR]

The searches are made up (tests/results.py), so only the report is measured, in a warm process: after the imports and
one report of 30 trials.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from results import made_result

from lrsearch.reports.page.page import write_report

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[10, 100, 1000, 10000])
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--browser", action="store_true", help="also measure the page in headless Chromium")
    parser.add_argument("--keep", type=Path, help="keep the reports in this folder")
    args = parser.parse_args()
    folder = args.keep or Path(tempfile.mkdtemp())
    write_report(made_result(30), folder / "warm.html")
    print(f"Python {platform.python_version()}, {platform.machine()}, median of {args.repeat} (min to max)\n")
    print(
        "| trials | epochs | written in s | MB |"
        + (" text after ms | first screen after ms | first figure after ms |" if args.browser else "")
    )
    print("|---:|---:|---:|---:|" + ("---:|---:|---:|" if args.browser else ""))
    for n in args.trials:
        path = folder / f"report-{n}.html"
        result = made_result(n, epochs=args.epochs)
        times = [_seconds(partial(write_report, result, path)) for _ in range(args.repeat)]
        row = f"| {n} | {args.epochs} | {median(times):.2f} ({min(times):.2f} to {max(times):.2f}) "
        row += f"| {path.stat().st_size / 1e6:.2f} |"
        if args.browser:
            text, screen, figure = _shown(path)
            row += f" {text:.0f} | {screen:.0f} | {figure:.0f} |"
        print(row, flush=True)


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


WATCH = """new MutationObserver((_, self) => {
  if (!document.querySelector('#answer ~ section')) return;
  self.disconnect();
  requestAnimationFrame(() => requestAnimationFrame(() => { window.screenPainted = performance.now(); }));
}).observe(document, { childList: true, subtree: true });"""
"""Notes when the first screen has been painted: two frames after what follows it has begun to be read."""


def _shown(path: Path) -> tuple[float, float, float]:
    """Milliseconds until the text and the first screen are painted, and until the first Plotly figure is drawn."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.add_init_script(WATCH)
        page.goto(path.resolve().as_uri())
        assert page.locator("#answer .panel:visible").count() >= 3
        screen = page.evaluate("window.screenPainted")
        text = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        page.goto("about:blank")
        page.goto(path.resolve().as_uri() + "#learned")
        page.wait_for_selector("[data-drawn]", timeout=60_000)
        figure = page.evaluate("performance.now()")
        browser.close()
    return float(text), float(screen), float(figure)


if __name__ == "__main__":
    main()
