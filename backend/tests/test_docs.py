"""Documentation runs: each conversation in docs/protocol.md with a real server, each Python block by itself.

A block that names its file in the first line is part of a project: `e2e/newcomer.py` follows those.
"""

import re
from pathlib import Path

import orjson
import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser, User
from django.core.management.color import no_style
from django.db import connection

from channels_databinding.binding import BINDINGS
from channels_databinding.checks import check_bindings
from channels_databinding.limits import DEFAULTS
from example.consumers import Posts as Liveblog
from example.consumers import Values as LiveEdit
from example.models import IntegerValue, Post
from example.models import Liveblog as Blog

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]


def blocks(kind):
    """Return (page:line, what follows the kind, text) of each fenced block of a kind."""
    for page in DOCS:
        text = page.read_text()
        for found in re.finditer(rf"^```{kind}\b ?(.*?)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, found.start()) + 1
            yield pytest.param(found[1], found[2], id=f"{page.name}:{line}")


class Bindings(Liveblog):
    """Both bindings on one socket."""

    consumers = {**Liveblog.consumers, **LiveEdit.consumers}
    connection_groups = LiveEdit.connection_groups


@sync_to_async
def set_the_scene():
    for model in (IntegerValue, Post, Blog):
        model.objects.all().delete()
    keys = [{"table": model._meta.db_table, "column": "id"} for model in (IntegerValue, Post)]
    with connection.cursor() as cursor:  # so that the pks are those of the page
        for statement in connection.ops.sequence_reset_by_name_sql(no_style(), keys):
            cursor.execute(statement)
    Blog.objects.create(pk=3, name="The final", slug="final")
    Post.objects.create(liveblog_id=3, body="Kick-off", published=True)
    return User.objects.create(username="alice", is_staff=True)


def matches(told, heard):
    """Whether `heard` is what the page tells, where "…" is anything."""
    if told == "…":
        return True
    if isinstance(told, dict) and isinstance(heard, dict):
        return list(told) == list(heard) and all(matches(told[key], heard[key]) for key in told)
    if isinstance(told, list) and isinstance(heard, list):
        return len(told) == len(heard) and all(map(matches, told, heard))
    return told == heard


@pytest.mark.parametrize(("who", "conversation"), [*blocks("frames")])
async def test_a_conversation_goes_as_the_page_tells(visit, who, conversation):
    alice = await set_the_scene()
    browser = await visit(Bindings, alice if who == "alice" else AnonymousUser())
    known = {}  # what the page calls "the cursor of s1" or "the key of q1"

    for line in conversation.splitlines():
        sign, said = line.split(" ", 1)
        for name, value in known.items():
            said = said.replace(name, value)
        if sign == "#":
            await sync_to_async(exec)(said, {"Post": Post, "IntegerValue": IntegerValue})
        elif sign == "→":
            await browser.communicator.send_to(text_data=said)
        else:
            heard = await browser.hear()
            assert matches(orjson.loads(said), heard), (
                f"the page has\n{said}\nand the server said\n{orjson.dumps(heard).decode()}"
            )
            for what, where in (("cursor", heard), ("key", heard["payload"])):
                if what in where and "ref" in heard:
                    known[f"the {what} of {heard['ref']}"] = where[what]

    if who != "1.x":
        assert await browser.hears_nothing()


FRAGMENTS = [block for block in blocks("python") if not re.match(r"# \S+\.py", block.values[1])]


@pytest.mark.parametrize(("_", "code"), FRAGMENTS)
@pytest.mark.django_db
def test_a_python_block_runs(_, code):
    declared = list(BINDINGS)

    exec(code, {"__name__": "example.bindings", "__package__": "example"})

    new = BINDINGS[len(declared) :]
    problems = [problem for problem in check_bindings() if problem.obj in new]
    BINDINGS[:] = declared
    assert problems == []


QUESTIONS = re.findall(
    r"^\*\*(.+\?)\*\*\n((?:.+\n)+)", (ROOT / "docs/journey.md").read_text().partition("A stranger's questions")[2], re.M
)


@pytest.mark.parametrize(("question", "answer"), QUESTIONS)
def test_a_strangers_question_is_answered_by_the_file_it_names(question, answer):
    files = [ROOT / "docs" / path for path in re.findall(r"\]\((\S+)\)", answer)]

    assert answer.startswith("[")  # with the file to open
    assert all(file.exists() for file in files)
    text = "".join(file.read_text() for file in files)
    assert [name for name in re.findall(r"`([#\w]+)`", answer) if not re.search(rf"{name}\b", text)] == []


def test_there_are_a_dozen_questions():
    assert len(QUESTIONS) >= 12


SECURITY = (ROOT / "docs/security.md").read_text()
PROMISES = re.findall(r"^\| (.+?) \|.*? (`test_[^|]+) \|$", SECURITY, re.M)


@pytest.mark.parametrize(("promise", "tests"), PROMISES)
def test_a_promise_of_security_names_tests_that_are_there(promise, tests):
    for named in tests.split():
        file, name = named.strip("`").split("::")
        text = (ROOT / "backend/tests" / file).read_text()
        assert re.search(rf"^(async )?def {name}\(", text, re.M), f"{promise}: there is no {named}"


def test_every_promise_of_security_names_a_test():
    assert len(re.findall(r"^\| [A-Z`]", SECURITY, re.M)) == len(PROMISES) > 40


def test_every_limit_is_told_with_its_default():
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", SECURITY, re.M)

    assert {name: int(default.replace(",", "")) for name, default in rows} == DEFAULTS


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_a_link_leads_somewhere(page):
    for path, heading in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text()):
        target = page.parent / path if path else page
        assert target.exists(), path
        if heading:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.M)
            anchors = [re.sub(r"[^\w\- ]", "", text).lower().replace(" ", "-") for text in headings]
            assert heading in anchors, f"{path}#{heading}"
