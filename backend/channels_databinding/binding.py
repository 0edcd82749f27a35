"""… → hooks → **binding** → models → capture → …

What users declare: which rows go out, to whom, in what shape, and who may write what.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, ClassVar, Final

from django.apps import apps
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import DatabaseError, DataError, IntegrityError, router
from django.db.models import ForeignKey, ManyToManyField, Model, ProtectedError, QuerySet, RestrictedError
from django.http import Http404

from . import serializers
from .hooks import as_groups, call
from .log import complain, logger
from .protocol import Refused, plain, quote

MESSAGE: Final = 500  # characters of what validation says: some messages quote the value

BINDINGS: list[type["WebsocketBinding"]] = []  # every binding with a model, in the order of declaration


def bindings_in(using: str) -> list[type["WebsocketBinding"]]:
    """Return the bindings whose rows are in this database."""
    return [binding for binding in BINDINGS if binding.using() == using]


def aliases() -> list[str]:
    """Return the databases that hold bound rows."""
    return sorted({binding.using() for binding in BINDINGS})


def parts(model: type[Model]) -> list[type[Model]]:
    """Return the models whose tables a row lies in: its own and, where it inherits tables, those of its parents."""
    return list(dict.fromkeys(field.model for field in model._meta.concrete_fields))


def foreign_keys(model: type[Model]) -> "list[ForeignKey[Any, Any]]":
    """Return the fields of a row that name another one by its key."""
    keys = [field for field in model._meta.concrete_fields if isinstance(field, ForeignKey)]
    return [field for field in keys if field.target_field.primary_key]


def current(user: Any) -> Any:
    """Return a socket's user as the database has them now: a permission is asked for, never remembered.

    Raises PermissionDenied if they are gone or deactivated. Who is not a model's row stays as they are.
    """
    if not isinstance(user, Model) or user.pk is None:
        return user
    now = user._meta.model._default_manager.filter(pk=user.pk).first()
    if now is None or not getattr(now, "is_active", True):
        raise PermissionDenied("Your account is no longer active.")
    return now


class WebsocketBinding:
    """Binds a model to a stream. Set `model`, `stream` and one of `fields` or `exclude`; define `group_names`
    so that changes go out, and `has_permission` so that changes come in. Without them nothing does.

    To send snapshots quickly, define `rows_in`. To let browsers choose what they see, `subscription_groups`.
    To change how a row is written as JSON, `serialize_data`; how a write is done, `create`, `update`, `delete`.
    Every hook may use the ORM; `async def` hooks are awaited.

    While a client's write is being done, `self.user`, `self.action`, `self.pk` and `self.data` say whose and what,
    and `self.instance` is the row, locked (None on create).
    """

    model: ClassVar[Any] = None  # a model, or "app.Model"; None in a body makes it abstract
    stream: ClassVar[str] = ""
    fields: ClassVar[Sequence[str] | None] = None  # ["__all__"] for every field but the pk
    exclude: ClassVar[Sequence[str] | None] = None
    image_fields: ClassVar[Sequence[str]] = ()  # what else `group_names` reads: remembered in the journal, not sent

    consumer: ClassVar[type["WebsocketBinding"]]  # itself, for `WebsocketDemultiplexer.consumers`, as in Channels 1.x

    user: Any = None
    action: str | None = None
    pk: Any = None
    data: Any = None
    instance: Any = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.consumer = cls
        for hook in ("group_names", "rows_in"):  # 1.x's own page has them without the decorator, too
            declared = inspect.getattr_static(cls, hook)
            if inspect.isfunction(declared):
                setattr(cls, hook, classmethod(declared))
        if cls.model is not None:
            BINDINGS.append(cls)
            if apps.ready:
                cls.resolve()

    @classmethod
    def resolve(cls) -> None:
        """Put the model in the place of its name."""
        if isinstance(cls.model, str):
            cls.model = apps.get_model(cls.model)

    # ---- out

    @classmethod
    def group_names(cls, instance: Any) -> Iterable[str]:
        """Return the groups that may see this row. It is asked of rows as they are and as they were.

        Asked of a row as it was, it may read the row's own columns and follow a foreign key; any other query is
        refused, since the world may have changed since.
        """
        return []

    @classmethod
    def rows_in(cls, group: str) -> "QuerySet[Any] | Iterable[Any]":
        """Return the rows of a group, the inverse of `group_names`, which has the last word on each.

        By default every row is looked at: define it for a table of more than some hundred rows.
        """
        rows: QuerySet[Any] = cls.model._base_manager.prefetch_related(*(field.name for field in cls.links()))
        return rows

    def subscription_groups(self, user: Any, **params: Any) -> Iterable[str]:
        """Return the groups for a browser that subscribes with `params`. Raise PermissionDenied to refuse.

        Without params a browser has the groups that the demultiplexer's `connection_groups` gave it.
        """
        raise PermissionDenied

    def presence_name(self, user: Any) -> str:
        """Return what a user is called to those who are present in the same subscription; "" for who has no name."""
        return str(user.get_username()) if user is not None else ""

    def serialize(self, instance: Any, action: str) -> dict[str, Any]:
        """Return a change's payload; `{}` suppresses it."""
        return {
            "action": action,
            "pk": serializers.value_of(instance, instance._meta.pk),
            "data": call(self.serialize_data, instance),
            "model": self.model._meta.label_lower,
        }

    def serialize_data(self, instance: Any) -> dict[str, Any]:
        """Return the row's `data`: every field of the whitelist, in the model's order."""
        return serializers.serialize(instance, self.listed())

    # ---- in

    def has_permission(self, user: Any, action: str, pk: Any) -> bool:
        """Return whether `user` may do `action` ("create", "update", "delete") on the row `pk` (None on create)."""
        return False

    def get_queryset(self) -> "QuerySet[Any]":
        """Return the rows that `self.user` may touch. A row outside is `not_found`."""
        rows: QuerySet[Any] = self.model._default_manager.all()
        return rows

    def deserialize(self, payload: Mapping[str, Any]) -> tuple[str, Any, Any]:
        """Return (action, pk, data) of a write."""
        return payload["action"], payload.get("pk"), payload.get("data")

    def create(self, data: Mapping[str, Any]) -> Any:
        """Make a row of `data`, validate it, save it, return it."""
        return self._save(self.model(), data)

    def update(self, pk: Any, data: Mapping[str, Any]) -> Any:
        """Set what `data` has on the row, validate it, save it."""
        return self._save(self.instance, data)

    def delete(self, pk: Any) -> None:
        self.instance.delete()

    def _save(self, instance: Any, data: Mapping[str, Any]) -> Any:
        listed = self.listed()
        links = serializers.assign(instance, listed, data)
        # As a ModelForm does it: what is not listed is not this writer's to mend, nor to be told about. But a key
        # that is left out must not be that of another row.
        unlisted = [field for field in self.model._meta.fields if field not in listed]
        instance.full_clean(exclude={f.name for f in unlisted if not f.primary_key or serializers.is_parent_link(f)})
        instance.save()
        for field, targets in links.items():
            getattr(instance, field.name).set(targets)
        return instance

    # ---- the checked, validated write

    def perform(self, payload: Mapping[str, Any], may_read: Callable[[Model], bool]) -> Any:
        """Do one client write inside the caller's transaction and return the row's pk, or raise Refused.

        `may_read` tells whether the writer is told the row as it is when `expect` did not hold.
        """
        try:
            return self._perform(payload, may_read)
        except ValidationError as error:
            raise _invalid(error) from None
        except (ProtectedError, RestrictedError):
            raise Refused("invalid", "Other rows still need this one.") from None
        except (IntegrityError, DataError, OverflowError) as error:
            # In our words: the database's would name tables and columns, and values of other rows.
            logger.info("%s: the database refused a write: %s", type(self).__name__, error)
            raise Refused("invalid", "The database does not take this.") from None
        except PermissionDenied as error:
            raise Refused("forbidden", str(error) or "You may not do this.") from None
        except (ObjectDoesNotExist, Http404):
            raise Refused("not_found", "There is no such row for you.") from None

    def _perform(self, payload: Mapping[str, Any], may_read: Callable[[Model], bool]) -> Any:
        self.user = current(self.user)
        self.action, self.pk, self.data = action, pk, data = self.deserialize(payload)
        if action not in ("create", "update", "delete"):
            raise Refused("unknown_action", f"A row has no action {quote(action)}.")
        self.pk = pk = None if action == "create" else self._read_pk(pk)
        if action != "delete" and not isinstance(data, dict):
            raise Refused("bad_frame", f'To {action}, send "data", an object.')
        if not self._is_permitted(action, pk):
            raise PermissionDenied
        if action == "create":
            made = call(self.create, data)
            return made.pk if isinstance(made, Model) else None
        self.instance = self.get_queryset().select_for_update().get(pk=pk)
        if payload.get("expect") is not None:
            self._compare(payload["expect"], may_read)
        if action == "update":
            call(self.update, pk, data)
        else:
            call(self.delete, pk)
        return pk

    def _is_permitted(self, action: str, pk: Any) -> bool:
        try:
            return bool(call(self.has_permission, self.user, action, pk))
        except (PermissionDenied, DatabaseError):
            raise
        except Exception as error:
            complain(type(self), f"a {action}", "has_permission", error)
            return False

    def _read_pk(self, pk: Any) -> Any:
        if isinstance(pk, bool) or not isinstance(pk, int | str):
            raise Refused("bad_frame", 'Send "pk", a number or a string.')
        try:
            return self.model._meta.pk.to_python(pk)
        except ValidationError:
            raise ObjectDoesNotExist from None

    def _compare(self, expect: object, may_read: Callable[[Model], bool]) -> None:
        names = {field.name for field in self.listed()}
        if not isinstance(expect, dict) or not names.issuperset(expect):
            raise Refused("bad_frame", '"expect" is an object of fields that this stream sends.')
        now = plain(call(self.serialize_data, self.instance))
        if any(name not in now or now[name] != value for name, value in expect.items()):
            more = {"data": now} if may_read(self.instance) else {}
            raise Refused("conflict", "The row was changed meanwhile.", **more)

    # ---- what the declarations mean

    @classmethod
    def using(cls) -> str:
        """Return the alias of the database that the rows are written to, by DATABASE_ROUTERS."""
        return router.db_for_write(cls.model)

    @classmethod
    def listed(cls) -> list[serializers.AnyField]:
        """Return the fields that are sent and written."""
        return serializers.select(cls.model, cls.fields, cls.exclude)

    @classmethod
    def links(cls) -> "list[ManyToManyField[Any, Any]]":
        """Return the many-to-many fields whose changes are changes of a row."""
        named = {field.name for field in cls.listed()} | set(cls.image_fields)
        return [field for field in cls.model._meta.many_to_many if field.name in named]

    @classmethod
    def watched(cls) -> list[type[Model]]:
        """Return the models whose tables make up a row: its own, those it inherits, and the links to others."""
        models = [cls.model, *(field.remote_field.through for field in cls.links())]
        return [part for model in models for part in parts(model)]

    @classmethod
    def groups_of(cls, instance: Any) -> frozenset[str]:
        """Return the groups of a row, as a set. A hook that returns one string means one group."""
        return as_groups(call(cls.group_names, instance))


class WebsocketBindingWithMembers(WebsocketBinding):
    """Sends the values of `send_members`, too: attributes, properties and methods of the row, by name. A dot goes on
    to what a member is, and is told as "__": "author.get_full_name" as "author__get_full_name".

    They are sent when the row changes, and never written.
    """

    model = None
    send_members: ClassVar[Sequence[str]] = ()

    def serialize_data(self, instance: Any) -> dict[str, Any]:
        data = super().serialize_data(instance)
        for member in self.send_members:
            value = attrgetter(member)(instance)
            data[member.replace(".", "__")] = value() if callable(value) else value
        return data


def _invalid(error: ValidationError) -> Refused:
    messages = error.message_dict if hasattr(error, "error_dict") else {"__all__": error.messages}
    messages = {name: [message[:MESSAGE] for message in several] for name, several in messages.items()}
    first = next((message for several in messages.values() for message in several), "Not valid.")
    return Refused("invalid", first, fields=messages)
