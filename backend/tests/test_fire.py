"""Nothing is lost, whatever dies: three servers, two hundred browsers, and everything that can happen to them."""

import os
import random

import databases
from fire.blaze import Blaze

SECONDS = float(os.environ.get("FIRE_SECONDS", "60"))
SEED = os.environ.get("FIRE_SEED") or str(random.randrange(1_000_000))


@databases.only("postgresql", "it starts three servers, and a PostgreSQL and a Redis of its own")
async def test_nothing_is_lost_whatever_dies(tmp_path, capsys):
    blaze = Blaze(tmp_path, SEED, SECONDS)
    try:
        await blaze.run()
    except BaseException:
        with capsys.disabled():
            before = blaze.log.read_text().splitlines()[-60:] if blaze.log.exists() else ()
            print(f"\nFIRE_SEED={SEED}, logs in {tmp_path}, and before it:", *before, sep="\n")
        raise
    with capsys.disabled():
        told = ", ".join(f"{what} {n:,}" for what, n in sorted(blaze.counts.items()))
        print(f"\nfire, seed {SEED}, {SECONDS:.0f} s: {told}")
