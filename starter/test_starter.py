"""What becomes of a clone: bin/rename and bin/remove-demos, and whether what is left is a project that runs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
# What is made anew in each clone: a file that has two names is changed under both.
MADE_ANEW = shutil.ignore_patterns(".installed", ".built-*", ".vite*", ".cache")


class Clone:
    """The files that git has, or would take, in a folder and a repository of their own."""

    def __init__(self, folder):
        self.folder = folder
        files = self._git("ls-files", "-z", "--cached", "--others", "--exclude-standard", at=REPOSITORY)
        for path in files.split("\0"):
            if path and (REPOSITORY / path).exists():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(REPOSITORY / path, folder / path)
        self._git("init", "--quiet")
        self.commit()

    def install(self):
        """Have what bin/setup installs, without the minutes it takes."""
        (self.folder / ".venv").symlink_to(REPOSITORY / ".venv")
        modules = self.folder / "node_modules"
        shutil.copytree(REPOSITORY / "node_modules", modules, symlinks=True, ignore=MADE_ANEW, copy_function=link)
        with (self.folder / "package-lock.json").open() as lock:
            (modules / ".installed").write_bytes(subprocess.run(["cksum"], stdin=lock, capture_output=True).stdout)

    def commit(self):
        self._git("add", "--all")
        somebody = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
        self._git(*somebody, "commit", "--quiet", "--message", "Work")

    def run(self, *command):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "DJANGO"))}
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)

    def changes(self):
        return self._git("status", "--porcelain")

    def text(self, path):
        return (self.folder / path).read_text()

    def write(self, path, text):
        (self.folder / path).write_text(text)

    def _git(self, *arguments, at=None):
        return subprocess.run(
            ["git", *arguments], cwd=at or self.folder, check=True, capture_output=True, text=True
        ).stdout


def link(source, target):
    try:
        os.link(source, target)
    except OSError:  # another disk
        shutil.copy2(source, target)


@pytest.fixture
def clone(tmp_path):
    return Clone(tmp_path / "clone")


def test_a_renamed_clone_without_demos_is_a_project_that_passes_its_checks_and_tests(clone):
    clone.run("bin/rename", "my-project")
    clone.commit()
    clone.install()

    removed = clone.run("bin/remove-demos")

    assert removed.returncode == 0, removed.stdout + removed.stderr
    assert "# my-project\n" in clone.text("README.md")
    assert not (clone.folder / "backend/liveblog").exists()
    assert not (clone.folder / "starter").exists()
    assert not (clone.folder / "bin/remove-demos").exists()
    clone.commit()
    # All of bin/test but what nothing was taken out of: the random histories, and the second run, on PostgreSQL.
    backend = "bin/test backend --ignore backend/tests/test_model.py"
    for command in ("bin/check", "bin/test js", backend, "bin/test e2e"):
        done = clone.run(*command.split())
        print(done.stdout)
        assert done.returncode == 0, done.stderr
    assert clone.changes() == ""


def refusal(clone, *arguments):
    """Return why bin/remove-demos does nothing."""
    before = clone.changes()
    refused = clone.run("bin/remove-demos", *arguments)
    assert refused.returncode == 1
    assert clone.changes() == before
    return refused.stderr


def test_work_that_git_does_not_have_is_not_put_at_risk(clone):
    clone.write("backend/config/health.py", "")

    assert refusal(clone).startswith("There are changes that git does not have: commit first")


def test_a_place_without_marks_stops_it_before_anything_is_done(clone):
    clone.write("backend/config/asgi.py", "sockets = []\n")

    assert refusal(clone, "--force").startswith("No line is marked as the demos' in backend/config/asgi.py,")


@pytest.mark.parametrize(
    ("path", "line", "reason"),
    [
        ("backend/config/settings.py", "# demos", "backend/config/settings.py has no `end of demos`."),
        ("backend/config/settings.py", "# end of demos", "says 'end of demos' where it cannot."),
        ("frontend/base.html", "{# demos #}", "frontend/base.html has no `end of demos`."),
        ("frontend/words.ts", "import './liveblog.ts'", "  frontend/words.ts: import './liveblog.ts'\n"),
    ],
)
def test_what_it_cannot_take_out_stops_it_before_anything_is_done(clone, path, line, reason):
    clone.write(path, f"{clone.text(path)}{line}\n")

    assert reason in refusal(clone, "--force")


def test_a_project_without_git_is_left_alone(clone):
    shutil.rmtree(clone.folder / ".git")

    refused = clone.run("bin/remove-demos", "--force")

    assert refused.stderr.startswith("git must know this project")
    assert (clone.folder / "backend/liveblog").exists()


def test_a_word_it_does_not_know_stops_it(clone):
    assert "does not know '--dry-run'" in refusal(clone, "--dry-run")
