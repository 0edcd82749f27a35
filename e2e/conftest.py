"""machine → line → screen → **conftest**

Real daphne, real pages, real Chromium. Each test begins with the seeded rows and browsers of its own.
No test may leave an error behind: in a browser's console, on a page, in a server's log.
"""

import os
import re
import shutil
from contextlib import ExitStack

import pytest
from playwright.sync_api import expect, sync_playwright

import databases
from line import Line
from machine import Server, manage
from screen import LIVE, Screen, log_in

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)

# The page that `visit` opens unless it is told another.
# demos
HOME = "/liveblog/final/"
# instead: HOME = "/"
# end of demos

PATIENCE_MS = 20_000  # a reconnect may wait for some seconds, and the machine may be busy

# What the browser itself writes to the console when a connection is refused or lost.
CUT = r"WebSocket connection to '.*' failed|Failed to load resource: net::ERR_"

REPORT_POLICY = """document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
  console.error(`content security policy: ${violatedDirective} forbids ${blockedURI}`))"""


def pytest_configure():
    expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def browser():
    """Chromium: the one that $CHROMIUM names, else the machine's, else Playwright's own."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


class Complaints:
    """What browsers complained of, but for what is allowed."""

    def __init__(self):
        self._all = []
        self._allowed = []

    def allow(self, pattern):
        self._allowed.append(pattern)

    def hear(self, context):
        context.add_init_script(REPORT_POLICY)
        context.on("console", self._take)
        context.on("weberror", lambda error: self._all.append(f"uncaught: {error.error}"))

    def _take(self, message):
        if message.type in ("error", "warning"):
            self._all.append(f"{message.text} ({message.location['url']})")

    @property
    def left(self):
        return [text for text in self._all if not any(re.search(pattern, text) for pattern in self._allowed)]


@pytest.fixture(autouse=True)
def complaints():
    """No test ends with a complaint from a browser."""
    complaints = Complaints()
    yield complaints
    assert complaints.left == []


@pytest.fixture(scope="session")
def seeded(browser, tmp_path_factory):
    """Return (a database as `manage.py seed` leaves it, each person's cookies). Who logs in does it on the page."""
    folder = tmp_path_factory.mktemp("seeded")
    database = databases.make(folder)
    manage(database, "migrate", "--verbosity", "0")
    manage(database, "seed")
    cookies = {"nobody": None}
    server = Server(database, folder / "server.log")
    server.start()
    for name in ("alice", "bob"):
        context = browser.new_context()
        log_in(context.new_page(), server.url, name)
        cookies[name] = context.storage_state()
        context.close()
    server.stop()
    yield database, cookies
    databases.drop(database)


@pytest.fixture(scope="session")
def own(seeded, tmp_path_factory):
    """Return (a database, the first server on it, the second), for all tests."""
    folder = tmp_path_factory.mktemp("own")
    database = databases.make(folder, like=seeded[0])
    databases.remember(database)
    first, second = (Server(database, folder / f"{name}.log") for name in ("first", "second"))
    yield database, first, second
    first.kill()
    second.kill()
    databases.drop(database)


@pytest.fixture
def database(own):
    """The database's URL. Its rows are as they were seeded."""
    databases.restore(own[0])
    return own[0]


@pytest.fixture
def browsers():
    """What closes each browser of this test. Servers and lines do that before they end: nobody is to miss them."""
    with ExitStack() as browsers:
        yield browsers


@pytest.fixture
def server(own, database, browsers):
    yield from serving(own[1], browsers)


@pytest.fixture
def second_server(own, database, browsers):
    """Another process on the same database."""
    yield from serving(own[2], browsers)
    own[2].kill()


def serving(server, browsers):
    server.start()
    yield server
    browsers.close()
    told = server.told()
    print(told)  # pytest shows it with a test that failed
    assert "Traceback" not in told


@pytest.fixture
def cuts(complaints):
    """Browsers may complain of connections that are lost."""
    complaints.allow(CUT)


@pytest.fixture
def line(server, browsers, cuts):
    """What lies between a browser and the server, and may be cut."""
    line = Line(server.port)
    yield line
    browsers.close()
    line.close()


@pytest.fixture
def visit(browser, browsers, seeded, server, complaints):
    """Return `visit(who, path, at=url)`: a browser of their own in which `who` ("alice", "bob", "nobody") opens a page
    and sees that it is live and all is there."""

    def visit(who, path=HOME, *, at=server.url, live=True, **options):
        context = browser.new_context(storage_state=seeded[1][who], **options)
        browsers.callback(context.close)
        context.set_default_timeout(PATIENCE_MS)
        complaints.hear(context)
        screen = Screen(context.new_page(), at + path)
        if live:
            expect(screen.connection).to_have_text(LIVE)
            expect(screen.page.locator("[aria-busy=true]")).to_have_count(0)
        return screen

    return visit
