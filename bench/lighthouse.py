"""What Lighthouse says of each page: `.venv/bin/python bench/lighthouse.py`

Serves a seeded database on this machine, asks Lighthouse (by `npx`, which fetches it) as a phone on a slow line and as
a desktop, and prints the scores. Exits with 1 if one is below 95. Lighthouse 12 runs on Node 18 and newer.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "e2e"), str(REPOSITORY / "backend/tests")]

from machine import Server, manage  # noqa: E402

# demos
PAGES = ("/", "/liveblog/final/", "/live-edit/")
# instead: PAGES = ("/", "/accounts/login/")
# end of demos
CATEGORIES = ("performance", "accessibility", "best-practices")
WANTED = 95
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = "--headless=new --no-sandbox --disable-quic --disable-background-networking"


def scores(url, form, report):
    """Return `{category: 0 to 100}`."""
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM)))
    subprocess.run(
        [
            *("npx", "--yes", "lighthouse@12", url, "--quiet", f"--chrome-flags={FLAGS}"),
            *("--output=json", f"--output-path={report}", f"--only-categories={','.join(CATEGORIES)}"),
            *(["--preset=desktop"] if form == "desktop" else []),
        ],
        env=os.environ | {"CHROME_PATH": chromium},
        check=True,
        timeout=180,
    )
    found = json.loads(report.read_text())["categories"]
    return {category: round(found[category]["score"] * 100) for category in CATEGORIES}


def main():
    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite:///{folder}/db.sqlite3"
        manage(database, "migrate", "--verbosity", "0")
        manage(database, "seed")
        server = Server(database, Path(folder) / "server.log")
        server.start()
        lowest = 100
        try:
            print("| page | as | " + " | ".join(CATEGORIES) + " |")
            print("|---|---|" + "---|" * len(CATEGORIES))
            for page in PAGES:
                for form in ("phone", "desktop"):
                    found = scores(server.url + page, form, Path(folder) / "report.json")
                    lowest = min(lowest, *found.values())
                    print(f"| {page} | {form} | " + " | ".join(map(str, found.values())) + " |", flush=True)
        finally:
            server.stop()
    return 0 if lowest >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
