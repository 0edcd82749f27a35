"""The Dockerfile, as far as it can be followed without Docker: the files that it copies, in a folder of their own, and
its commands and those of docker-compose.yml, as processes."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

import pytest
import yaml
from playwright.sync_api import expect

from machine import free_port
from screen import LIVE, Screen

REPOSITORY = Path(__file__).resolve().parents[1]
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
SERVICES = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())["services"]
START_S = 30


def said(word):
    """Return what is said after each such word in the Dockerfile's last stage, which is the image."""
    stage = DOCKERFILE.replace("\\\n", "").rpartition("\nFROM ")[2]
    return re.findall(rf"^{word} +(.*)$", stage, re.MULTILINE)


class Image:
    """A folder that stands for the image's file system. What Python needs stays where it is on this machine."""

    def __init__(self, root):
        self._root = root
        self._port = free_port()
        self._process = None
        self.url = f"http://localhost:{self._port}"
        not_copied = shutil.ignore_patterns("node_modules", "dist", "staticfiles", "tests", "__pycache__", "*.sqlite3*")
        for *stage, source, target in map(str.split, said("COPY")):
            if stage == ["--from=browser"]:
                shutil.copytree(REPOSITORY / Path(source).relative_to("/project"), root / target)
            elif not stage:
                shutil.copytree(REPOSITORY / source, root / target, ignore=not_copied)
        (root / "data").mkdir()

    def run(self, command, **settings):
        return subprocess.run(command, **self._surroundings(settings), capture_output=True, text=True)

    def is_healthy(self):
        (check,) = said("HEALTHCHECK")
        return self.run(self._here(check)).returncode == 0

    def start(self, **settings):
        (command,) = said("CMD")
        self._process = subprocess.Popen(self._here(command), **self._surroundings(settings))
        deadline = time.monotonic() + START_S
        while not self.is_healthy():
            assert self._process.poll() is None, "the server has ended"
            assert time.monotonic() < deadline, f"the server was not healthy after {START_S} s"

    def stop(self):
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)

    def _here(self, command):
        return [word.replace("8000", str(self._port)) for word in json.loads(command[command.index("[") :])]

    def _surroundings(self, settings):
        """Only what docker-compose.yml tells the server, with what it has from its own environment as `settings`."""
        told = {name: str(value) for name, value in SERVICES["web"]["environment"].items()}
        told = {name: re.sub(r"\$\{\w+(:-|:\?)(.*)\}", r"\2", value) for name, value in told.items()}
        told |= {"DATABASE_URL": told["DATABASE_URL"].replace("/data/", f"{self._root}/data/")}
        path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        return {"cwd": self._root / "backend", "env": told | settings | path}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    image = Image(tmp_path_factory.mktemp("image"))
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
def test_a_server_starts_only_where_the_tables_are_ready_and_postgresql_is_not_promised():
    waits_for = SERVICES["web"]["depends_on"]

    assert waits_for["migrate"] == {"condition": "service_completed_successfully"}
    assert SERVICES["postgres"]["profiles"] == ["postgres"]
    assert not any("postgres" in str(SERVICES[name]) for name in ("migrate", "web"))


def test_it_is_not_root_who_serves():
    assert said("USER") == ["project"]
