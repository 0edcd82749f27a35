# demos
"""machine → **newcomer** → conftest

Somebody who does what a page of the documentation says, block by block, and nothing else.

A block whose first line names a file is what is in that file. `# mysite/settings.py, at the end`: it is added to it. A
block of `diff` changes it in one place. A block of `sh` is what one types.
"""

import os
import re
import subprocess
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

from machine import Server

ROOT = Path(__file__).resolve().parents[1]
NODE_MODULES = ROOT / "node_modules"
PATIENCE_S = 120
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"(?:#|//|\{#|/\*|---) (?P<path>[\w./-]+\.\w+)(?P<at_the_end>, at the end)?")


@dataclass(frozen=True)
class Block:
    kind: str
    text: str

    @property
    def file(self):
        """What its first line says: a path and whether to add to it. None if it says none."""
        return FILE.match(self.text)


def read(page, *, after=""):
    """Return the blocks of a page, in order, up to the next heading of the same level where `after` is one."""
    text = (ROOT / page).read_text()
    if after:
        level = after.split()[0]
        _, found, text = text.partition(f"\n{after}\n")
        assert found, f"{page} has no heading {after!r}"
        text = re.split(rf"^{level} ", text, flags=re.MULTILINE)[0]
    return [Block(*found) for found in BLOCK.findall(text)]


def write(folder, block):
    """Do what a block says that names a file."""
    path = folder / block.file["path"]
    path.parent.mkdir(parents=True, exist_ok=True)
    text = block.text
    if block.kind == "diff":
        lines = text.splitlines(keepends=True)[1:]
        old, new = ("".join(line[1:] or line for line in lines if line[0] != sign) for sign in "+-")
        before = path.read_text()
        assert before.count(old) == 1, f"{path} does not have this once:\n{old}"
        text = before.replace(old, new)
    elif block.file["at_the_end"]:
        text = path.read_text() + text
    path.write_text(text)


def run(folder, command, env):
    """Type a command. Returns what it printed."""
    done = subprocess.run(
        command, shell=True, cwd=folder, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


class Site(Server):
    """A project in an empty folder. Its environment has what ours has, and `channels_databinding` only by the wheel."""

    def __init__(self, folder):
        self.folder = folder / "site"
        self.folder.mkdir()
        log = folder / "server.log"
        log.touch()
        super().__init__(f"sqlite:///{self.folder}/db.sqlite3", log)
        environment = folder / "environment"
        venv.create(environment, symlinks=True)
        python = environment / "bin/python"
        packages = run(self.folder, f"{python} -c \"import sysconfig; print(sysconfig.get_path('purelib'))\"", {})
        with open(f"{packages.strip()}/ours.pth", "w") as others:
            others.write(sysconfig.get_path("purelib"))
        self._folder = self.folder
        self._environment = {
            "PATH": f"{python.parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "PIP_NO_INDEX": "1",
            "npm_config_offline": "true",
            "PYTHONUNBUFFERED": "1",
        }
        self._command = [python, "manage.py", "runserver", "--noreload", f"127.0.0.1:{self.port}"]

    def type(self, command):
        return run(self.folder, command, self._environment)

    def follow(self, blocks, **packages):
        """Do what the blocks say. `packages` are what stands for what is on no index yet."""
        for block in blocks:
            if block.file:
                write(self.folder, block)
                continue
            for command in block.text.splitlines():
                if command.startswith("pip install"):
                    command = command.replace("path/to/channels-databinding", str(packages["wheel"]))
                    command = command.replace("pip", "python -m pip --quiet --disable-pip-version-check")
                elif command.startswith("npm install"):
                    command = re.sub(r"path/to/\S+", str(packages["tarball"]), command)
                    command = command.replace("@alpinejs/csp", str(NODE_MODULES / "@alpinejs/csp"))
                if not command.endswith("runserver"):
                    self.type(command)
