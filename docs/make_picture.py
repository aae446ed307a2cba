"""Takes the picture of a report's first screen that the README shows.

Usage: uv run lrsearch run --budget 40 && uv run python docs/make_picture.py runs/digits/report.html docs/report.png
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

CHROMIUM = "/usr/bin/chromium"
SIZE = {"width": 1280, "height": 780}


def main(page: str, picture: str) -> None:
    """Open the page and photograph what is seen without scrolling."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        shown = browser.new_page(viewport=SIZE)
        shown.goto(Path(page).resolve().as_uri())
        shown.wait_for_timeout(2000)
        shown.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
