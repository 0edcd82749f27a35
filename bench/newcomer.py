# demos
"""How long a newcomer waits: `.venv/bin/python bench/newcomer.py`

Clones the last commit into a temporary folder, and measures, in seconds: `bin/dev` until the first page answers, the
same again once all is set up, and a post until it is on the screen of a second tab. The first start downloads packages,
so it depends on the network and on what pip and npm keep.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "e2e"), str(REPOSITORY / "backend/tests")]

from conftest import FLAGS, NAMES  # noqa: E402
from process import free_port  # noqa: E402  (after the path to it)
from screen import LIVE, Screen, log_in  # noqa: E402

PATIENCE_S = 600
UPDATES = 7  # after the first


@contextmanager
def serving(clone, port, log):
    """Run bin/dev until its first page is there. Gives the seconds that took."""
    begun = time.monotonic()
    environment = {name: value for name, value in os.environ.items() if name not in ("DEBUG", "DATABASE_URL")}
    process = subprocess.Popen(
        ["bin/dev"], cwd=clone, env=environment | {"PORT": str(port)}, stdout=log, stderr=log, start_new_session=True
    )
    try:
        while not answers(f"http://127.0.0.1:{port}/"):
            if process.poll() is not None or time.monotonic() - begun > PATIENCE_S:
                raise SystemExit(f"bin/dev did not get as far as a page: see {log.name}")
            time.sleep(0.05)
        yield time.monotonic() - begun
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


# Both tabs tell the time themselves: a test tool's own looking would be part of it.
PRESSED = "addEventListener('submit', () => { window.pressed = Date.now() }, true)"
SHOWN = """text => { window.shown = new Promise(resolve => {
  const look = () => document.querySelector('.posts').textContent.includes(text) && resolve(Date.now())
  const everything = { childList: true, subtree: true, characterData: true }
  new MutationObserver(look).observe(document.querySelector('.posts'), everything)
}) }"""


def updates(url):
    """Return the seconds from pressing Post until a second tab shows the post: of the first, and the median of more."""
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        context = browser.new_context()
        log_in(context.new_page(), url, "alice")
        author, reader = (Screen(context.new_page(), f"{url}/liveblog/final/") for _ in range(2))
        for screen in (author, reader):
            expect(screen.connection).to_have_text(LIVE)
        author.page.evaluate(PRESSED)
        took = []
        for n in range(1 + UPDATES):
            reader.page.evaluate(SHOWN, f"Measured {n}.")
            author.write(f"Measured {n}.")
            took.append((reader.page.evaluate("window.shown") - author.page.evaluate("window.pressed")) / 1_000)
        browser.close()
    return took[0], sorted(took[1:])[UPDATES // 2]


def main():
    with tempfile.TemporaryDirectory() as folder:
        clone, port = Path(folder) / "clone", free_port()
        subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(clone)], check=True)
        with (Path(folder) / "dev.log").open("w") as log:
            with serving(clone, port, log) as first:
                print(f"first start, until the first page   {first:6.1f} s")
            with serving(clone, port, log) as second:
                print(f"second start, until the first page  {second:6.1f} s")
                first_update, median = updates(f"http://127.0.0.1:{port}")
                print(f"first post, until a second tab shows it   {first_update:.3f} s")
                print(f"median of {UPDATES} more posts                    {median:.3f} s")


if __name__ == "__main__":
    main()
