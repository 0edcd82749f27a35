# demos
"""Somebody who does what a page of the documentation says, block by block, and nothing else.

A block whose first line names a file is what is in that file. `# mysite/settings.py, at the end`: it is added to it. A
block of `diff` changes it in one place. A block of `sh` is what one types.
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
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
