"""Declarations, and the checked, validated write: what a browser may do, and what it is told where it may not."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models, transaction
from django.http import Http404

from channels_databinding import WebsocketBinding, WebsocketBindingWithMembers, WebsocketDemultiplexer
from channels_databinding.binding import BINDINGS
from channels_databinding.hooks import as_groups, call
from lab.models import Article, Blog, Label, Person, Seat, Thing
from lab.screen import db


@pytest.fixture(autouse=True)
def _bindings_of_one_test():
    declared = list(BINDINGS)
    yield
    BINDINGS[:] = declared


def declare(model=Thing, **body):
    """Return a binding that everybody sees and writes, with this in its body."""
    defaults = {
        "model": model,
        "stream": "rows",
        "fields": ["__all__"],
        "group_names": lambda cls, instance: ["all"],
        "has_permission": lambda self, user, action, pk: True,
    }
    return type("RowBinding", (WebsocketBinding,), defaults | body)


def serve(model=Thing, **body):
    binding = declare(model, **body)
    return type("Demultiplexer", (WebsocketDemultiplexer,), {"consumers": {"rows": binding}, "groups": ["all"]})


async def ask(visit, demultiplexer, payload, user=None):
    """Send one write. Returns the answer's payload."""
    _, answer = await (await visit(demultiplexer, user)).ask("rows", payload, ref=f"{uuid4()}")
    return answer["payload"]


# ---- declarations


def test_a_binding_with_a_model_is_remembered_in_the_order_of_declaration():
    one, two = declare(), declare()

    assert BINDINGS[-2:] == [one, two]


def test_a_body_with_model_none_is_abstract():
    before = list(BINDINGS)

    type("Abstract", (declare(),), {"model": None})

    assert len(BINDINGS) == len(before) + 1


def test_members_are_attributes_properties_and_methods_by_name_and_a_dot_goes_on():
    members = ["pk", "_meta.label", "get_size_display", "integer.bit_length"]
    body = {"model": Thing, "stream": "rows", "fields": ["char"], "send_members": members}
    bound = type("Members", (WebsocketBindingWithMembers,), body)

    assert bound().serialize_data(Thing(pk=3, char="a", integer=7)) == {
        "char": "a",
        "pk": 3,
        "_meta__label": "lab.Thing",
        "get_size_display": "Small",
        "integer__bit_length": 3,
    }


def test_the_consumer_of_a_binding_is_the_binding():
    binding = declare()

    assert binding.consumer is binding


def test_a_model_by_its_name_is_found():
    assert declare("lab.Thing").model is Thing


def test_a_model_by_a_wrong_name_is_not():
    with pytest.raises(LookupError, match="Nothing"):
        declare("lab.Nothing")


@pytest.mark.parametrize(
    "hook",
    [
        lambda cls, instance: [cls.__name__],
        classmethod(lambda cls, instance: [cls.__name__]),
        staticmethod(lambda instance: ["RowBinding"]),
    ],
)
def test_group_names_may_be_decorated_or_not(hook):
    binding = declare(group_names=hook)

    assert binding.groups_of(Thing()) == {"RowBinding"}


def test_rows_in_may_be_decorated_or_not():
    binding = declare(rows_in=lambda cls, group: [cls.__name__, group])

    assert binding.rows_in("a") == ["RowBinding", "a"]


@pytest.mark.parametrize(
    ("given", "groups"),
    [(None, set()), ([], set()), ("abc", {"abc"}), ("", {""}), (["a", "a"], {"a"}), (iter("ab"), {"a", "b"})],
)
def test_groups_may_be_given_in_many_ways(given, groups):
    assert as_groups(given) == groups


def test_an_async_hook_is_awaited_from_a_thread():
    async def hook(a, *, b):
        return a + b

    assert call(hook, 1, b=2) == 3


def test_without_hooks_nothing_goes_out_and_nothing_comes_in():
    class Bare(WebsocketBinding):
        model = Thing
        stream = "bare"
        fields = ["char"]

    assert Bare.groups_of(Thing()) == frozenset()
    assert not Bare().has_permission(User(is_superuser=True), "update", 1)
    with pytest.raises(PermissionDenied):
        Bare().subscription_groups(User(is_superuser=True))


# ---- permission


async def test_without_has_permission_every_write_is_forbidden(visit):
    thing = await Thing.objects.acreate()
    things = serve(has_permission=WebsocketBinding.has_permission)

    for payload in (
        {"action": "create", "data": {}},
        {"action": "update", "pk": thing.pk, "data": {"char": "x"}},
        {"action": "delete", "pk": thing.pk},
    ):
        assert (await ask(visit, things, payload))["code"] == "forbidden"

    assert [(t.pk, t.char) async for t in Thing.objects.all()] == [(thing.pk, "")]


async def test_has_permission_is_asked_with_user_action_and_key(visit):
    asked = []

    def has_permission(self, user, action, pk):
        asked.append((user, action, pk))
        return False

    things, alice = serve(has_permission=has_permission), await User.objects.acreate(username="alice")

    await ask(visit, things, {"action": "create", "pk": 5, "data": {}}, alice)
    await ask(visit, things, {"action": "update", "pk": "5", "data": {}}, alice)
    await ask(visit, things, {"action": "delete", "pk": 5}, AnonymousUser())

    assert asked == [(alice, "create", None), (alice, "update", 5), (AnonymousUser(), "delete", 5)]


async def test_who_may_not_is_not_told_whether_the_row_is_there(visit):
    thing = await Thing.objects.acreate()
    things = serve(has_permission=lambda self, user, action, pk: False)

    there = await ask(visit, things, {"action": "update", "pk": thing.pk, "data": {"integer": "x"}})
    not_there = await ask(visit, things, {"action": "update", "pk": thing.pk + 1, "data": {}})

    assert there == not_there


@pytest.mark.parametrize("error", [PermissionDenied, ZeroDivisionError, KeyError])
async def test_a_has_permission_that_raises_says_no(visit, error, caplog):
    def has_permission(self, user, action, pk):
        raise error("the secret reason" if error is not PermissionDenied else "")

    answer = await ask(visit, serve(has_permission=has_permission), {"action": "create", "data": {}})

    assert answer["code"] == "forbidden"
    assert "secret" not in answer["message"]


async def test_a_has_permission_that_returns_nothing_says_no(visit):
    answer = await ask(
        visit, serve(has_permission=lambda self, user, action, pk: None), {"action": "create", "data": {}}
    )

    assert answer["code"] == "forbidden"


async def test_an_async_has_permission_is_awaited(visit):
    async def has_permission(self, user, action, pk):
        return await User.objects.filter(username="nobody").aexists()

    answer = await ask(visit, serve(has_permission=has_permission), {"action": "create", "data": {}})

    assert answer["code"] == "forbidden"
    assert not await Thing.objects.aexists()


async def test_a_row_outside_of_get_queryset_is_not_found(visit):
    mine, other = [await Thing.objects.acreate(char=char) for char in ("mine", "other")]
    things = serve(get_queryset=lambda self: Thing.objects.filter(char="mine"))

    assert (await ask(visit, things, {"action": "delete", "pk": other.pk}))["code"] == "not_found"
    assert (await ask(visit, things, {"action": "delete", "pk": mine.pk}))["action"] == "ack"


async def test_get_queryset_knows_the_user(visit):
    alice = await User.objects.acreate(username="alice")
    thing = await Thing.objects.acreate(char="alice")
    things = serve(get_queryset=lambda self: Thing.objects.filter(char=self.user.username))

    assert (await ask(visit, things, {"action": "delete", "pk": thing.pk}, AnonymousUser()))["code"] == "not_found"
    assert (await ask(visit, things, {"action": "delete", "pk": thing.pk}, alice))["action"] == "ack"


# ---- keys


@pytest.mark.parametrize(
    "pk", ["x", "", "1.5", "\0", 2**63, -(10**18), "9" * 400, "9223372036854775808", "None", "null", " "]
)
async def test_a_key_that_no_row_has_is_not_found(visit, pk):
    answer = await ask(visit, serve(), {"action": "update", "pk": pk, "data": {}})

    assert answer["code"] in ("not_found", "bad_frame")


@pytest.mark.parametrize("pk", [None, True, 1.5, [1], {"a": 1}])
async def test_what_is_no_key_is_told(visit, pk):
    answer = await ask(visit, serve(), {"action": "update", "pk": pk, "data": {}})

    assert answer == {"action": "error", "code": "bad_frame", "message": 'Send "pk", a number or a string.'}


@pytest.mark.parametrize("data", [None, [], "text", 7, True])
async def test_what_is_no_data_is_told(visit, data):
    answer = await ask(visit, serve(), {"action": "create", "data": data})

    assert answer == {"action": "error", "code": "bad_frame", "message": 'To create, send "data", an object.'}


async def test_a_natural_key_is_given_on_create_and_answered(visit):
    labels = serve(Label, fields=["code", "text"])

    assert await ask(visit, labels, {"action": "create", "data": {"code": "a", "text": "b"}}) == {
        "action": "ack",
        "pk": "a",
    }


async def test_a_natural_key_that_is_taken_overwrites_nothing(visit):
    await Label.objects.acreate(code="a", text="first")
    labels = serve(Label, fields=["code", "text"])

    answer = await ask(visit, labels, {"action": "create", "data": {"code": "a", "text": "second"}})

    assert answer["code"] == "invalid"
    assert list(answer["fields"]) == ["code"]
    assert (await Label.objects.aget()).text == "first"


async def test_a_natural_key_that_is_not_listed_cannot_be_given(visit):
    await Label.objects.acreate(code="a", text="first")
    labels = serve(Label, fields=["text"])

    answer = await ask(visit, labels, {"action": "create", "data": {"code": "a", "text": "second"}})

    assert answer["code"] == "invalid"
    assert (await Label.objects.aget()).text == "first"


# ---- validation


async def test_what_is_not_valid_is_told_by_field_and_nothing_is_written(visit):
    thing = await Thing.objects.acreate(char="a", integer=1)

    answer = await ask(
        visit,
        serve(),
        {"action": "update", "pk": thing.pk, "data": {"char": "b", "integer": "many", "date": "soon"}},
    )

    assert answer["code"] == "invalid"
    assert sorted(answer["fields"]) == ["date", "integer"]
    assert answer["message"] in [message for several in answer["fields"].values() for message in several]
    assert (await Thing.objects.aget()).char == "a"


async def test_the_models_own_validation_is_asked(visit, monkeypatch):
    def clean(self):
        raise ValidationError("No such thing.")

    monkeypatch.setattr(Thing, "clean", clean)

    answer = await ask(visit, serve(), {"action": "create", "data": {}})

    assert answer["fields"] == {"__all__": ["No such thing."]}
    assert not await Thing.objects.aexists()


@pytest.mark.parametrize("data", [{"row": 1, "number": 1, "ticket": 2}, {"row": 2, "number": 2, "ticket": 1}])
async def test_what_must_be_unique_is_invalid(visit, data):
    await Seat.objects.acreate(row=1, number=1, ticket=1)

    answer = await ask(visit, serve(Seat, exclude=None), {"action": "create", "data": {**data, "guest": "ann"}})

    assert answer["code"] == "invalid"
    assert await Seat.objects.acount() == 1


async def test_a_foreign_key_to_nothing_is_invalid(visit):
    answer = await ask(visit, serve(Article), {"action": "create", "data": {"blog": 12345}})

    assert answer["code"] == "invalid"
    assert list(answer["fields"]) == ["blog"]


async def test_what_the_database_refuses_is_invalid_and_leaves_nothing(visit):
    def create(self, data):
        Blog.objects.create(slug="left over")
        return Blog.objects.create(slug="taken")

    await Blog.objects.acreate(slug="taken")

    answer = await ask(visit, serve(Blog, create=create), {"action": "create", "data": {}})

    assert answer["code"] == "invalid"
    assert await Blog.objects.acount() == 1


async def test_a_deletion_that_is_protected_is_invalid(visit):
    def delete(self, pk):
        raise models.ProtectedError("It is needed.", {self.instance})

    thing = await Thing.objects.acreate()

    answer = await ask(visit, serve(delete=delete), {"action": "delete", "pk": thing.pk})

    assert answer["code"] == "invalid"
    assert await Thing.objects.aexists()


async def test_save_is_the_models_own(visit, monkeypatch):
    save = models.Model.save

    def shout(self, *args, **kwargs):
        self.char = self.char.upper()
        save(self, *args, **kwargs)

    monkeypatch.setattr(Thing, "save", shout)

    await ask(visit, serve(), {"action": "create", "data": {"char": "a"}})

    thing = await Thing.objects.aget()
    assert thing.char == "A"
    assert thing.changed is not None


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PermissionDenied("Not on Sundays."), "forbidden"),
        (Http404(), "not_found"),
        (Thing.DoesNotExist(), "not_found"),
        (ValidationError({"char": "Not this one."}), "invalid"),
        (ValidationError("Not this one."), "invalid"),
        (ZeroDivisionError("the secret reason"), "failed"),
        (TypeError("the secret reason"), "failed"),
    ],
)
async def test_a_hook_that_raises_is_answered_and_leaves_nothing(visit, caplog, error, code):
    def create(self, data):
        Thing.objects.create()
        raise error

    answer = await ask(visit, serve(create=create), {"action": "create", "data": {}})

    assert answer["code"] == code
    assert "secret" not in str(answer)
    assert not await Thing.objects.aexists()
    assert bool([record for record in caplog.records if record.levelname == "ERROR"]) == (code == "failed")


async def test_a_hook_that_breaks_the_transaction_and_goes_on_is_failed(visit, caplog):
    def create(self, data):
        try:
            with transaction.atomic(savepoint=False):
                Thing.objects.create()
                raise ZeroDivisionError
        except ZeroDivisionError:
            return None

    answer = await ask(visit, serve(create=create), {"action": "create", "data": {}})

    assert answer["code"] == "failed"
    assert not await Thing.objects.aexists()


@pytest.mark.parametrize(("action", "data"), [("create", {"char": "a"}), ("update", {"char": "b"}), ("delete", None)])
async def test_async_writes_are_awaited_in_the_same_transaction(visit, caplog, action, data):
    async def create(self, data):
        return await Thing.objects.acreate(char="async")

    async def update(self, pk, data):
        await Thing.objects.filter(pk=pk).aupdate(char="async")

    async def delete(self, pk):
        await Thing.objects.filter(pk=pk).aupdate(char="async")

    thing = await Thing.objects.acreate()
    things = serve(create=create, update=update, delete=delete)

    answer = await ask(visit, things, {"action": action, "pk": thing.pk, "data": data})

    assert answer["action"] == "ack"
    assert await Thing.objects.filter(char="async").acount() == 1


# ---- expect


async def test_what_is_not_as_expected_is_not_written(visit):
    thing = await Thing.objects.acreate(char="now", integer=1)
    payload = {"action": "update", "pk": thing.pk, "data": {"char": "x"}, "expect": {"char": "then", "integer": 1}}

    answer = await ask(visit, serve(fields=["char", "integer"]), payload)

    assert answer["code"] == "conflict"
    assert answer["data"] == {"char": "now", "integer": 1}
    assert (await Thing.objects.aget()).char == "now"


async def test_who_may_not_read_the_row_is_not_told_what_is_in_it(visit):
    thing = await Thing.objects.acreate(char="now")
    things = serve(group_names=lambda cls, instance: ["others"])

    answer = await ask(visit, things, {"action": "delete", "pk": thing.pk, "expect": {"char": "then"}})

    assert answer["code"] == "conflict"
    assert "data" not in answer


@pytest.mark.parametrize("expect", [{"password": "guess"}, {"id": 1}, [], "text", {"name": "ann", "no": 1}])
async def test_only_listed_fields_can_be_expected(visit, expect):
    person = await Person.objects.acreate(name="ann", password="secret")
    people = serve(Person, fields=["name"])

    answer = await ask(visit, people, {"action": "update", "pk": person.pk, "data": {}, "expect": expect})

    assert answer["code"] == "bad_frame"


@pytest.mark.parametrize("expect", [None, {}])
async def test_nothing_expected_is_always_so(visit, expect):
    thing = await Thing.objects.acreate()

    answer = await ask(visit, serve(), {"action": "update", "pk": thing.pk, "data": {"char": "x"}, "expect": expect})

    assert answer["action"] == "ack"


async def test_an_expected_field_that_is_written_otherwise_is_compared_as_written(visit):
    thing = await Thing.objects.acreate(char="a")
    things = serve(fields=["char"], serialize_data=lambda self, instance: {"char": instance.char.upper()})

    answer = await ask(visit, things, {"action": "delete", "pk": thing.pk, "expect": {"char": "A"}})

    assert answer["action"] == "ack"


# ---- two at once


async def test_fields_that_were_not_sent_are_left_as_they_are(visit):
    thing = await Thing.objects.acreate(char="a", integer=1)

    await ask(visit, serve(), {"action": "update", "pk": thing.pk, "data": {"char": "b"}})
    await db(lambda: Thing.objects.update(integer=2))
    await ask(visit, serve(), {"action": "update", "pk": thing.pk, "data": {"char": "c"}})

    thing = await Thing.objects.aget()
    assert (thing.char, thing.integer) == ("c", 2)


async def test_each_write_has_a_binding_of_its_own(visit):
    knew = []

    def create(self, data):
        knew.append((self, getattr(self, "left_over", None)))
        self.left_over = "from before"
        return WebsocketBinding.create(self, data)

    visitor = await visit(serve(create=create))

    await visitor.ask("rows", {"action": "create", "data": {}})
    await visitor.ask("rows", {"action": "create", "data": {}})

    assert [left_over for _, left_over in knew] == [None, None]
    assert knew[0][0] is not knew[1][0]
