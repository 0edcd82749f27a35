# demos
"""docs/tutorial.md, done line by line in a copy of this repository, ends in a live screen."""

import os
import shutil
import subprocess

import pytest
from playwright.sync_api import expect

import databases
from conftest import serving
from machine import Server, environment
from newcomer import ROOT, read, run, write

BUILD = "npm run --silent build --workspace frontend"  # of bin/dev, what a test needs
CHECK = (
    "npm run --silent check --workspace frontend",
    ".venv/bin/ruff check --quiet backend",
    ".venv/bin/ruff format --quiet --check backend",
    ".venv/bin/python backend/manage.py check --fail-level WARNING",
    ".venv/bin/python backend/manage.py makemigrations --check --dry-run",
)
TUTORIAL = read("docs/tutorial.md")
LATER = [block for block in TUTORIAL if "manage.py shell" in block.text]


@pytest.fixture(scope="module")
def database(tmp_path_factory, seeded):
    database = databases.make(tmp_path_factory.mktemp("tutorial"), like=seeded[0])
    yield database
    databases.drop(database)


@pytest.fixture(scope="module")
def starter(tmp_path_factory, database):
    """A copy of this repository, with what bin/setup has installed for it, and with what the tutorial adds."""
    folder = tmp_path_factory.mktemp("tutorial") / "starter"
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for path in subprocess.check_output(listing, cwd=ROOT, text=True).split("\0"):
        if path and (ROOT / path).exists():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, folder / path)
    for installed in (".venv", "node_modules"):
        (folder / installed).symlink_to(ROOT / installed)
    for block in TUTORIAL:
        if block.file:
            write(folder, block)
        elif block not in LATER:
            for command in block.text.splitlines():
                run(folder, BUILD if command == "bin/dev" else command, environment(database))
    return folder


@pytest.fixture
def server(starter, database, browsers):
    server = Server(database, starter / "server.log", project=starter / "backend")
    yield from serving(server, browsers)
    server.kill()


def test_the_tutorial_ends_in_a_guestbook_that_is_live(starter, database, visit):
    alice, nobody = visit("alice", "/guestbook/"), visit("nobody", "/guestbook/")

    alice.page.get_by_label("Your words").fill("Hello from above")
    alice.page.get_by_role("button", name="Sign").click()
    for block in LATER:
        run(starter, block.text, environment(database))
    for screen in (alice, nobody):
        expect(screen.page.get_by_role("list", name="Entries").get_by_role("listitem")).to_contain_text(
            ["the shell", "alice"]
        )
    nobody.page.get_by_label("Your words").fill("Let me in")
    nobody.page.get_by_role("button", name="Sign").click()

    expect(nobody.page.get_by_role("alert")).to_have_text("You may not do this.")
    expect(nobody.page.get_by_label("Your words")).to_have_value("Let me in")
    expect(nobody.page.get_by_text("Hello from above")).to_be_visible()


@databases.only("sqlite", "what is checked are files")
@pytest.mark.parametrize("command", CHECK)
def test_what_the_tutorial_adds_is_as_clean_as_the_rest(starter, command):
    run(starter, command, os.environ | {"DEBUG": "1"})
