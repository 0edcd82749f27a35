"""People who wish us ill, against a really running server: single frames that could do harm, and 2,000 of any kind.
`bench/hostile.py` sends as many as you like."""

import asyncio
import itertools
import json

import pytest

import databases
from hostile.attack import attack
from hostile.server import Server
from hostile.wire import Wire
from hostile.witness import INSIDES

FRAMES = 2_000
REFS = itertools.count(1)
PING = {"stream": "", "payload": {"action": "ping"}}


def update(**data):
    return {"stream": "things", "payload": {"action": "update", "pk": 1, "data": data}}


def subscribe(stream, since=None, **params):
    return {"stream": stream, "params": params, "payload": {"action": "subscribe", "since": since}}


def deep(levels):
    return json.loads("[" * levels + "]" * levels)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("hostile"))
    with server.running():
        yield server


@pytest.fixture
async def mallory(server):
    wire = await Wire.open(server.port, server.cookies["mallory"])
    await ask(wire, PING)  # who has used a new word is answered whatever can be read
    yield wire
    wire.hang_up()


async def ask(wire, frame):
    """Return the answer as text: the next error, or the ack of this frame."""
    ref = f"asked {next(REFS)}"
    await wire.say(json.dumps({**frame, "ref": ref}, ensure_ascii=False, separators=(",", ":")))
    async with asyncio.timeout(20):
        while (text := await wire.hear()) is not None:
            if f'"ref":"{ref}"' in text or '"action":"error"' in text:
                return text
    raise AssertionError(f"closed with {wire.code}")


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        pytest.param(update(json=deep(200)), "bad_frame", id="deeper than can be written"),
        pytest.param(
            update(duration="P999999999D"),
            "invalid",
            id="longer than the column",
            marks=databases.only("sqlite", "PostgreSQL's column is longer"),
        ),
        pytest.param(update(datetime="0001-01-01T00:00:00+23:59"), "invalid", id="before time in UTC"),
        pytest.param(update(datetime="9999-12-31T23:59:59-23:59"), "invalid", id="after time in UTC"),
        pytest.param(update(float="NaN"), "invalid", id="not a number"),
        pytest.param(update(float="1e999"), "invalid", id="infinite"),
        pytest.param(update(char=None), "invalid", id="null where blank may be"),
        pytest.param(update(binary=None), "invalid", id="null for bytes"),
        pytest.param(update(integer="9" * 100_000), "invalid", id="many digits"),
        pytest.param(update(decimal="1e1000000"), "invalid", id="many zeros"),
        pytest.param(update(address=":" * 100_000), "invalid", id="many colons"),
        pytest.param(subscribe("posts", liveblog="abc"), "bad_params", id="params of another kind"),
        pytest.param(subscribe("posts", blog="open"), "bad_params", id="params of another name"),
        pytest.param(subscribe("articles", hook=1), "forbidden", id="params that are our own names"),
        pytest.param(subscribe("articles", self=1), "bad_params", id="params that are Python's names"),
        pytest.param(subscribe("x" * 200_000), "unknown_stream", id="a long stream"),
        pytest.param(
            {"stream": "things", "payload": {"action": "\U0010ffff" * 100_000}}, "unknown_action", id="quoted"
        ),
        pytest.param({"stream": "people", "payload": {"action": "x", "y": "z" * 900_000}}, "too_large", id="large"),
    ],
)
async def test_a_frame_is_refused_in_few_words_that_say_nothing_of_the_insides(server, mallory, frame, code):
    answer = await ask(mallory, frame)
    logged = len(server.log())
    again = await ask(mallory, frame)

    assert json.loads(answer)["payload"]["code"] == code
    assert not INSIDES.search(answer)
    assert len(answer) < 2_000 + 2 * len(frame["stream"])
    assert json.loads(again)["payload"] == json.loads(answer)["payload"]
    assert "Traceback" not in server.log()[logged:]  # a fault may be told in full once, not each time


@pytest.mark.parametrize("path", [5, "somebody/elses.pdf", "../../etc/hosts"])
async def test_nobody_points_a_row_to_a_file(server, mallory, path):
    answer = await ask(mallory, update(file=path))

    assert json.loads(answer)["payload"]["action"] == "ack"
    assert server.rows()["lab_thing"][1]["file"] == ""


async def test_a_large_row_leaves_its_readers_with_ears(server, mallory):
    await ask(mallory, subscribe("things", owner=7))
    for field in ({"binary": "A" * 250_000}, {"json": ["x" * 240_000]}, {"json": ["é" * 120_000] * 2}):
        await ask(mallory, update(**field))

    answer = await ask(mallory, update(binary="", json=None))

    assert json.loads(answer)["payload"] == {"action": "ack", "pk": 1}


async def test_cursors_of_somebodys_invention_are_not_kept(server, mallory):
    stays = await Wire.open(server.port)
    await ask(stays, subscribe("people"))
    await ask(mallory, subscribe("people"))
    before = server.memory()

    for n in range(200):
        await ask(mallory, subscribe("people", since=f"{n}" + "x" * 200_000))

    stays.hang_up()
    assert server.memory() - before < 10 << 20  # bytes, of 40 MB that were sent


async def test_hostile_frames_learn_nothing_write_nothing_and_stop_nobody(server):
    report = await attack(server, FRAMES)

    print("\n".join(report.lines()))  # pytest shows it if this fails
    assert report.sent >= FRAMES
    assert report.illegitimate == []
    assert report.faults == []
    assert report.complaints == {}
    assert len(report.latencies) > 10  # the bystander's writes
    assert report.handles[-1] <= max(report.handles[:-1])
