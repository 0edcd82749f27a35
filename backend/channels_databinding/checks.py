"""System checks: what is wrong with a binding or a database, and what to do about it, before anybody connects."""

import inspect
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import FieldDoesNotExist
from django.db import DEFAULT_DB_ALIAS, connections, router
from django.db.models import UniqueConstraint

from .binding import BINDINGS, WebsocketBinding
from .capture import DATABASES
from .limits import DEFAULTS
from .serializers import is_parent_link

Binding = type[WebsocketBinding]


@register()
def check_bindings(**kwargs: Any) -> list[CheckMessage]:
    """Look at each binding's declarations."""
    return [message for binding in BINDINGS for message in _check(binding)]


@register()
def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Look for names in CHANNELS_DATABINDING that mean nothing, and for limits that would let nothing through."""
    given = getattr(settings, "CHANNELS_DATABINDING", {})
    unknown = [
        Error(
            f"CHANNELS_DATABINDING has {name!r}, which is no setting.",
            hint=f"Did you mean {get_close_matches(name, DEFAULTS, 1, 0)[0]!r}? There are: {', '.join(DEFAULTS)}.",
            id="channels_databinding.E013",
        )
        for name in given.keys() - DEFAULTS.keys()
    ]
    wrong = [
        Error(
            f"CHANNELS_DATABINDING[{name!r}] is {value!r}, which is no number above 0.",
            hint=f"The default is {DEFAULTS[name]:,}. For no limit, give a large one.",
            id="channels_databinding.E014",
        )
        for name, value in given.items()
        if name in DEFAULTS and not (isinstance(value, int | float) and (value > 0 or name == "notifies_per_s"))
    ]
    return [*unknown, *wrong]


@register()
def check_vendor(**kwargs: Any) -> list[CheckMessage]:
    """Look at the database's kind; that needs no connection."""
    connection = connections[DEFAULT_DB_ALIAS]
    if not BINDINGS:
        return []
    if connection.vendor not in DATABASES:
        return [
            Error(
                f"Bindings need SQLite or PostgreSQL; this database is {connection.vendor}.",
                hint="See the README, Limits.",
                id="channels_databinding.E010",
            )
        ]
    if connection.vendor != "sqlite":
        return []
    name = str(connection.settings_dict["NAME"])
    if name == ":memory:" or "mode=memory" in name:
        return [
            Error(
                "Bindings cannot follow an in-memory database: no other thread or process sees it.",
                hint="Give DATABASES['default']['NAME'] a file, and ['TEST']['NAME'] one for the tests.",
                id="channels_databinding.E011",
            )
        ]
    return []


@register(Tags.database)
def check_wal(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Look whether readers and the writer of an SQLite file can work side by side."""
    connection = connections[DEFAULT_DB_ALIAS]
    if DEFAULT_DB_ALIAS not in (databases or ()) or connection.vendor != "sqlite" or not BINDINGS:
        return []
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        mode = cursor.fetchone()[0]
    if mode == "wal":
        return []
    return [
        Error(
            f"The SQLite file is in journal mode {mode!r}; bindings need WAL, so that reading stops no writer.",
            hint="Add \"init_command\": \"PRAGMA journal_mode=WAL\" to DATABASES['default']['OPTIONS'].",
            id="channels_databinding.E012",
        )
    ]


def _check(binding: Binding) -> Iterator[CheckMessage]:
    name = binding.__name__

    def error(number: int, what: str, hint: str) -> Error:
        return Error(f"{name} {what}", hint=hint, obj=binding, id=f"channels_databinding.E{number:03}")

    if not isinstance(binding.stream, str) or not binding.stream:
        yield error(1, "has no stream.", 'Give it the name browsers will use: stream = "posts".')
    if (binding.fields is None) == (binding.exclude is None):
        both = "both fields and exclude" if binding.fields is not None else "neither fields nor exclude"
        yield error(2, f"has {both}.", 'Give it one: fields = ["name", "value"], or ["__all__"] for every field.')
    meta = binding.model._meta
    listed = [*(binding.fields or ()), *(binding.exclude or ()), *binding.image_fields]
    if binding.fields in ("__all__", ["__all__"], ("__all__",)):
        listed = [*(binding.exclude or ()), *binding.image_fields]
    for attribute in ("fields", "exclude", "image_fields"):
        value = getattr(binding, attribute)
        if isinstance(value, str) and value != "__all__":
            yield error(3, f"has {attribute} = {value!r}, a string.", f"Make it a list: [{value!r}].")
            listed = []
    for field in listed:
        try:
            if meta.get_field(field) not in (*meta.concrete_fields, *meta.many_to_many):
                yield error(4, f"lists {field!r}, which {meta.label} does not store.", "Bind the model that does.")
            elif field in {link.name for link in binding.links()} and not _joins_keys(meta.get_field(field)):
                through = meta.get_field(field).remote_field.through._meta.label
                what = f"lists {field!r}, whose link {through} names rows by other than their primary keys."
                yield error(4, what, "Take to_field out of its foreign keys.")
        except FieldDoesNotExist:
            names = ", ".join(column.name for column in meta.concrete_fields)
            yield error(5, f"lists {field!r}, which {meta.label} does not have.", f"It has: {names}.")
    for constraint in meta.constraints:
        if isinstance(constraint, UniqueConstraint) and constraint.expressions:
            yield Warning(
                f"{name} binds {meta.label}, whose constraint {constraint.name!r} is of expressions: a row that an "
                "INSERT OR REPLACE pushes out by it goes unseen.",
                hint="Django never writes so; if your own SQL does, use DELETE and INSERT.",
                obj=binding,
                id="channels_databinding.W002",
            )
    if len(meta.pk_fields) > 1:
        yield error(6, f"binds {meta.label}, which has a composite primary key.", "Bind a model with a single one.")
    for field in meta.concrete_fields:
        if is_parent_link(field) and not field.primary_key:
            what = f"binds {meta.label}, whose link {field.name!r} to a table it inherits is not its primary key."
            yield error(7, what, "Inherit one table, by the link that Django makes.")
    if router.db_for_write(binding.model) != DEFAULT_DB_ALIAS:
        yield error(8, f"binds {meta.label}, which is not in the default database.", "Other databases come later.")
    if inspect.getattr_static(binding, "group_names") is inspect.getattr_static(WebsocketBinding, "group_names"):
        yield error(9, "has no group_names, so nobody would see a change.", "Return the groups that may see a row.")
    if binding.has_permission is WebsocketBinding.has_permission:
        yield Warning(
            f"{name} has no has_permission, so every write from a browser is refused.",
            hint="Define has_permission(self, user, action, pk); return False to say that this is meant.",
            obj=binding,
            id="channels_databinding.W001",
        )


def _joins_keys(field: Any) -> bool:
    names = field.m2m_field_name(), field.m2m_reverse_field_name()
    return all(field.remote_field.through._meta.get_field(name).target_field.primary_key for name in names)
