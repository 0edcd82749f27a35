"""Frames of people who wish us ill: `.venv/bin/python bench/hostile.py --frames 100000 --server daphne`

Against a server process of its own, on a database of its own; what they are is in `backend/tests/hostile/`. Prints what
was answered, what was written, what was told, memory and open files. Ends with 1 if anything was as it should not be.
uvicorn is in `bench/requirements.txt`.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

BACKEND = Path(__file__).resolve().parents[1] / "backend"
sys.path[:0] = [str(BACKEND), str(BACKEND / "tests")]
os.environ |= {"DJANGO_SETTINGS_MODULE": "hostile.settings", "DEBUG": "1"}

from hostile.attack import attack  # noqa: E402
from hostile.server import Server  # noqa: E402

MEMORY_MB = 5  # so much the server may grow in the second half: by then it has all it needs


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--frames", type=int, default=100_000)
    options.add_argument("--server", choices=["daphne", "uvicorn"], default="daphne")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--log", type=Path, help="keep the server's log here")
    asked = options.parse_args()

    def progress(report):
        print(
            f"{report.sent:>9,} frames  {report.memory[-1] / (1 << 20):6.1f} MB  {time.monotonic() - begun:5.0f} s",
            flush=True,
        )

    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), asked.server)
        begun = time.monotonic()
        with server.running():
            report = asyncio.run(attack(server, asked.frames, seed=asked.seed, progress=progress))
        if asked.log:
            asked.log.write_text(server.log())
    print(f"{asked.server}, seed {asked.seed}", *report.lines(), sep="\n")
    grown = (report.memory[-1] - report.memory[len(report.memory) // 2]) / (1 << 20)
    print(f"grown in the second half   {grown:.1f} MB of {MEMORY_MB} allowed")
    well = not (report.faults or report.complaints or report.illegitimate) and grown < MEMORY_MB
    sys.exit(0 if well and report.handles[-1] <= report.handles[0] else 1)


if __name__ == "__main__":
    main()
