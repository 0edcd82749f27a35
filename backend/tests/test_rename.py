"""`bin/rename`, on a copy of the files that it knows."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from databases import only

pytestmark = only("sqlite", "it is about files, and asks no database")

REPOSITORY = Path(__file__).parents[2]
FILES = [
    "bin/rename",
    "frontend/base.html",
    "README.md",
    "package.json",
    "package-lock.json",
    # demos
    "starter/project/README.md",
    # end of demos
]


@pytest.fixture
def rename(tmp_path):
    """Return `rename(*arguments)`. Its `folder` is where that happens."""
    for path in FILES:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / path, tmp_path / path)

    def rename(*arguments):
        return subprocess.run([tmp_path / "bin/rename", *arguments], capture_output=True, text=True)

    rename.folder = tmp_path
    return rename


def texts(folder):
    return {path: (folder / path).read_text() for path in FILES}


def test_a_new_name_is_in_the_pages_the_readme_and_for_npm(rename):
    said = rename("a-new-name")

    new = texts(rename.folder)
    assert said.stdout == f"This is a-new-name now: {', '.join(FILES[1:])}.\n"
    assert re.search(r"<title>.* · a-new-name</title>", new["frontend/base.html"])
    assert re.search(r'class="brand".* a-new-name</a>', new["frontend/base.html"])
    assert new["README.md"].startswith("# a-new-name\n")
    assert '"name": "a-new-name"' in new["package.json"]
    assert new["package-lock.json"].count('"name": "a-new-name"') == 2


def test_the_package_keeps_its_own_name(rename):
    rename("a-new-name")

    assert '"node_modules/channels-databinding"' in texts(rename.folder)["package-lock.json"]


def test_the_same_name_again_changes_nothing(rename):
    rename("a-new-name")
    before = texts(rename.folder)

    assert rename("a-new-name").stdout == "This is a-new-name already.\n"
    assert texts(rename.folder) == before


def test_a_second_name_leaves_nothing_of_the_first(rename):
    before = texts(rename.folder)

    rename("a")
    rename("the-second-1")
    rename("a")
    once = texts(rename.folder)

    assert once != before
    rename("the-second-1")
    rename("a")
    assert texts(rename.folder) == once


@pytest.mark.parametrize("name", ["My Project", "", "1st", "-", "a_b", "a--b", "a/b", "x" * 51, "frontend", "é"])
def test_what_cannot_be_a_name_is_refused_in_a_sentence(rename, name):
    before = texts(rename.folder)

    refused = rename(name)

    assert refused.returncode == 1
    assert repr(name) in refused.stderr
    assert texts(rename.folder) == before


@pytest.mark.parametrize("arguments", [[], ["--help"], ["my", "project"]])
def test_it_says_how_it_is_called(rename, arguments):
    assert rename(*arguments).stderr == "Say the new name: bin/rename my-project\n"


def test_a_place_that_has_gone_stops_it_before_anything_is_done(rename):
    (rename.folder / "package.json").write_text("{}")
    before = texts(rename.folder)

    assert "package.json has 0 places like" in rename("a-new-name").stderr
    assert texts(rename.folder) == before
