"""The Dockerfile, as far as it can be followed without Docker: the files that it copies, in a folder of their own, and
its commands and those of docker-compose.yml, as processes."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

import pytest
import yaml
from playwright.sync_api import expect

from databases import only
from process import free_port
from screen import LIVE, Screen
from servers import Missing, PostgreSQL, Redis

pytestmark = only("sqlite", "it starts a PostgreSQL and a Redis of its own, and asks none that is tested")

REPOSITORY = Path(__file__).resolve().parents[1]
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
COMPOSE = (REPOSITORY / "docker-compose.yml").read_text()
SERVICES = yaml.safe_load(COMPOSE)["services"]
START_S, STOP_S = 30, 10


def said(word):
    """Return what is said after each such word in the Dockerfile's last stage, which is the image."""
    stage = DOCKERFILE.replace("\\\n", "").rpartition("\nFROM ")[2]
    return re.findall(rf"^{word} +(.*)$", stage, re.MULTILINE)


class Image:
    """A folder that stands for the image's file system. What Python needs stays where it is on this machine."""

    def __init__(self, root, **urls):
        self._root, self._urls = root, urls
        self._port = free_port()
        self._process = None
        self.url = f"http://localhost:{self._port}"
        not_copied = shutil.ignore_patterns("node_modules", "dist", "staticfiles", "tests", "__pycache__", "*.sqlite3*")
        for *stage, source, target in map(str.split, said("COPY")):
            if stage == ["--from=browser"]:
                shutil.copytree(REPOSITORY / Path(source).relative_to("/project"), root / target)
            elif not stage:
                copy(REPOSITORY / source, root / target, ignore=not_copied)
        (root / "data").mkdir()

    def run(self, command, **settings):
        return subprocess.run(command, **self._surroundings(settings), capture_output=True, text=True)

    def is_healthy(self):
        (check,) = said("HEALTHCHECK")
        return self.run(self._here(check)).returncode == 0

    def start(self, **settings):
        (command,) = said("CMD")
        with (self._root / "log").open("wb") as log:
            self._process = subprocess.Popen(self._here(command), stderr=log, **self._surroundings(settings))
        deadline = time.monotonic() + START_S
        while not self.is_healthy():
            assert self._process.poll() is None, f"the server has ended:\n{self.log()}"
            assert time.monotonic() < deadline, f"the server was not healthy after {START_S} s:\n{self.log()}"

    def stop(self):
        """End it as Docker does."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(STOP_S)

    def reload(self):
        """Begin anew with each process, as systemd does for a new version."""
        self._process.send_signal(signal.SIGHUP)

    def log(self):
        return (self._root / "log").read_text()

    def processes(self):
        """Return the pids of those that have served."""
        return [int(pid) for pid in re.findall(r"Started server process \[(\d+)\]", self.log())]

    def _here(self, command):
        return [word.replace("8000", str(self._port)) for word in json.loads(command[command.index("[") :])]

    def _surroundings(self, settings):
        """Only what docker-compose.yml tells the server, with what it has from its own environment as `settings`."""
        told = {name: str(value) for name, value in SERVICES["web"]["environment"].items()}
        told = {name: re.sub(r"\$\{\w+(:-|:\?)(.*)\}", r"\2", value) for name, value in told.items()}
        told |= self._urls
        path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        return {"cwd": self._root / "backend", "env": told | settings | path}


def copy(source, target, **options):
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, **options)
    else:
        shutil.copy(source, target)


@pytest.fixture(scope="module")
def urls():
    """The database and the channel layer that docker-compose.yml starts beside it."""
    try:
        with PostgreSQL() as postgresql, Redis() as redis:
            yield {"DATABASE_URL": postgresql.url, "REDIS_URL": redis.url}
    except Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def built(tmp_path_factory, urls):
    return build(tmp_path_factory.mktemp("image"), **urls)


def build(root, **urls):
    image = Image(root, **urls)
    for command in (["sh", "-c", next(line for line in said("RUN") if "collectstatic" in line)], migrate()):
        done = image.run(command)
        assert done.returncode == 0, done.stderr
    return image


def migrate():
    return SERVICES["migrate"]["command"]


@pytest.fixture
def image(built):
    yield built
    built.stop()


class NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def ask(url, **headers):
    """Return (status, headers, text)."""
    try:
        response = build_opener(NoRedirects).open(Request(url, headers=headers), timeout=10)
    except HTTPError as error:
        response = error
    with response:
        return response.status, response.headers, response.read().decode()


def test_it_is_healthy_once_it_serves(image):
    assert not image.is_healthy()

    image.start()

    assert image.is_healthy()


def test_it_serves_what_its_proxy_took_over_https(image):
    image.start()

    status, headers, _ = ask(f"{image.url}/")
    assert (status, headers["Location"]) == (301, image.url.replace("http:", "https:") + "/")
    status, headers, page = ask(f"{image.url}/", **{"X-Forwarded-Proto": "https"})
    assert (status, headers["Strict-Transport-Security"]) == (200, "max-age=3600")
    style = re.search(r'"(/static/app/app\.[0-9a-f]{12}\.css)"', page)[1]
    status, headers, _ = ask(f"{image.url}{style}", **{"X-Forwarded-Proto": "https"})
    assert (status, "immutable" in headers["Cache-Control"]) == (200, True)


@pytest.mark.usefixtures("cuts")  # it leaves the front page before that may be live
def test_a_browser_gets_whole_pages_from_it(image, browser, complaints):
    image.start(HTTPS="0")
    context = browser.new_context()
    complaints.hear(context)
    page = context.new_page()

    page.goto(f"{image.url}/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.get_by_role("navigation", name="Account").get_by_role("link", name="Log in").click()
    page.get_by_label("Name").fill("nobody")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("main").get_by_role("button", name="Log in").click()

    expect(page.get_by_role("alert")).to_be_visible()
    context.close()


# demos
def test_a_page_of_it_is_live(image, browser, complaints):
    image.start(HTTPS="0")
    context = browser.new_context()
    complaints.hear(context)

    screen = Screen(context.new_page(), f"{image.url}/live-edit/")

    expect(screen.connection).to_have_text(LIVE)
    context.close()


# end of demos
def until(true, what):
    deadline = time.monotonic() + START_S
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)  # another process tells of nothing but by an answer


def test_it_is_ready_once_it_is_migrated(image):
    image.start()

    status, _, told = ask(f"{image.url}/readyz")

    assert (status, json.loads(told)["ready"]) == (200, True)


def metrics(port):
    try:
        return ask(f"http://127.0.0.1:{port}/metrics")[2]
    except OSError:
        return ""


def test_several_processes_serve_and_one_that_dies_is_replaced(image):
    port = free_port()
    image.start(WEB_CONCURRENCY="2", METRICS=f"127.0.0.1:{port}-{port + 1}")
    until(lambda: metrics(port) and metrics(port + 1), "two processes say how they are")

    os.kill(image.processes()[0], signal.SIGKILL)

    until(lambda: len(image.processes()) == 3, "there is a third")
    until(lambda: metrics(port) and metrics(port + 1), "it has taken the dead one's place")
    assert image.is_healthy()


# demos
@pytest.fixture
def screen(image, browser):
    """A page that is live, served by two processes."""
    image.start(HTTPS="0", WEB_CONCURRENCY="2")
    context = browser.new_context()
    screen = Screen(context.new_page(), f"{image.url}/live-edit/")
    expect(screen.connection).to_have_text(LIVE)
    yield screen
    context.close()


def test_it_ends_though_browsers_are_connected(image, screen):
    image.stop()

    expect(screen.connection).not_to_have_text(LIVE)


def test_a_new_version_takes_over_its_browsers(image, screen):
    old = image.processes()

    image.reload()

    until(lambda: len(image.processes()) == 2 * len(old), "there are new processes")
    until(lambda: not any(map(is_there, old)), "the old ones have ended")
    expect(screen.connection).to_have_text(LIVE)


def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_its_log_does_not_name_each_socket(image, screen):
    image.stop()

    assert "/ws/" not in image.log()


# end of demos
def test_each_line_of_its_log_is_json(image):
    image.start(WEB_CONCURRENCY="2")
    ask(f"{image.url}/", Host="evil.example")
    image.stop()

    lines = [json.loads(line) for line in image.log().splitlines()]
    assert {"uvicorn.error", "django.security.DisallowedHost"} <= {line["logger"] for line in lines}


def test_one_line_less_and_one_more_put_it_on_a_file(tmp_path):
    text = re.sub(r"^ +DATABASE_URL: postgresql.*\n", "", COMPOSE, flags=re.MULTILINE)
    environment = yaml.safe_load(text.replace("#DATABASE_URL", "DATABASE_URL"))["services"]["web"]["environment"]
    image = build(
        tmp_path, DATABASE_URL=environment["DATABASE_URL"].replace("/data/", f"{tmp_path}/data/"), REDIS_URL=""
    )

    image.start(WEB_CONCURRENCY="2")
    status, _, _ = ask(f"{image.url}/readyz")
    image.stop()

    assert status == 200
    assert (tmp_path / "data/db.sqlite3").exists()


def test_a_server_starts_only_where_the_database_answers_and_the_tables_are_ready():
    assert SERVICES["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert SERVICES["web"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_only_the_site_is_reached_from_outside_and_only_by_a_proxy_on_this_machine():
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert published == ["127.0.0.1:8000:8000"]


def test_it_is_not_root_who_serves():
    assert said("USER") == ["project"]


def test_docker_is_given_all_that_is_copied():
    given = re.findall(r"^!(.+)$", (REPOSITORY / ".dockerignore").read_text(), re.MULTILINE)
    copied = [
        path for line in re.findall(r"^COPY +(?!--)(.*)$", DOCKERFILE, re.MULTILINE) for path in line.split()[:-1]
    ]

    assert [path for path in copied if not any(f"{path}/".startswith(f"{one}/") for one in given)] == []
