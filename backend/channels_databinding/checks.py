"""System checks: what is wrong with a binding or a database, and what to do about it, before anybody connects."""

import inspect
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from channels import DEFAULT_CHANNEL_LAYER
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import FieldDoesNotExist
from django.db import connections, router
from django.db.models import UniqueConstraint

from .binding import BINDINGS, WebsocketBinding, aliases
from .capture import DATABASES
from .limits import DEFAULTS
from .serializers import EVERY, is_parent_link

Binding = type[WebsocketBinding]

IN_MEMORY = "channels.layers.InMemoryChannelLayer"


def _message(number: str, what: str, hint: str, about: Binding | None = None) -> CheckMessage:
    kind = Error if number.startswith("E") else Warning
    return kind(what, hint=hint, obj=about, id=f"channels_databinding.{number}")


@register()
def check_bindings(**kwargs: Any) -> list[CheckMessage]:
    """Look at each binding's declarations."""
    return [
        _message(number, f"{binding.__name__} {what}", hint, binding)
        for binding in BINDINGS
        for number, what, hint in _faults(binding)
    ]


@register()
def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Look for names in CHANNELS_DATABINDING that mean nothing, and for limits that would let nothing through."""
    messages = []
    for name, value in getattr(settings, "CHANNELS_DATABINDING", {}).items():
        if name not in DEFAULTS:
            what = f"CHANNELS_DATABINDING has {name!r}, which is no setting."
            near = get_close_matches(name, DEFAULTS, 1, 0)[0]
            messages.append(_message("E013", what, f"Did you mean {near!r}? There are: {', '.join(DEFAULTS)}."))
        elif not (isinstance(value, int | float) and (value > 0 or name == "notifies_per_s")):
            what = f"CHANNELS_DATABINDING[{name!r}] is {value!r}, which is no number above 0."
            hint = f"The default is {DEFAULTS[name]:,}. For no limit, give a large one."
            messages.append(_message("E014", what, hint))
    return messages


@register()
def check_vendor(**kwargs: Any) -> list[CheckMessage]:
    """Look at the databases' kinds; that needs no connection."""
    messages = []
    for using in aliases():
        connection = connections[using]
        name = str(connection.settings_dict["NAME"])
        if connection.vendor not in DATABASES:
            what = f"Bindings need SQLite or PostgreSQL; the database {using!r} is {connection.vendor}."
            messages.append(_message("E010", what, "See the README, Limits."))
        elif connection.vendor == "sqlite" and (name == ":memory:" or "mode=memory" in name):
            what = f"Bindings cannot follow {using!r}, an in-memory database: no other thread or process sees it."
            hint = f"Give DATABASES[{using!r}]['NAME'] a file, and ['TEST']['NAME'] one for the tests."
            messages.append(_message("E011", what, hint))
    return messages


@register(Tags.database)
def check_wal(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Look whether readers and the writer of an SQLite file can work side by side."""
    messages = []
    for using in aliases():
        if using not in (databases or ()) or connections[using].vendor != "sqlite":
            continue
        with connections[using].cursor() as cursor:
            cursor.execute("PRAGMA journal_mode")
            mode = cursor.fetchone()[0]
        if mode != "wal":
            what = f"{using!r} is in journal mode {mode!r}; bindings need WAL, so that reading stops no writer."
            hint = f'Add "init_command": "PRAGMA journal_mode=WAL" to DATABASES[{using!r}][\'OPTIONS\'].'
            messages.append(_message("E012", what, hint))
    return messages


@register(Tags.async_support, deploy=True)
def check_channel_layer(**kwargs: Any) -> list[CheckMessage]:
    """Look whether the processes of a deployment can tell each other who is here."""
    layers = getattr(settings, "CHANNEL_LAYERS", {})
    if layers.get(DEFAULT_CHANNEL_LAYER, {}).get("BACKEND", IN_MEMORY) != IN_MEMORY:
        return []
    what = "There is no channel layer between processes: with several of them, each shows its own people's presence."
    hint = (
        "Give CHANNEL_LAYERS['default'] the BACKEND 'channels_redis.core.RedisChannelLayer'. If there is only one "
        "process, put this into SILENCED_SYSTEM_CHECKS."
    )
    return [_message("W003", what, hint)]


def _faults(binding: Binding) -> Iterator[tuple[str, str, str]]:
    """Return (number, what is wrong, what to do) of each."""
    meta = binding.model._meta
    if not isinstance(binding.stream, str) or not binding.stream:
        yield "E001", "has no stream.", 'Give it the name browsers will use: stream = "posts".'
    if (binding.fields is None) == (binding.exclude is None):
        both = "both fields and exclude" if binding.fields is not None else "neither fields nor exclude"
        yield "E002", f"has {both}.", 'Give it one: fields = ["name", "value"], or ["__all__"] for every field.'
    yield from _faults_of_names(binding)
    for constraint in meta.constraints:
        if isinstance(constraint, UniqueConstraint) and constraint.expressions:
            yield (
                "W002",
                f"binds {meta.label}, whose constraint {constraint.name!r} is of expressions: a row that an INSERT OR "
                "REPLACE pushes out by it goes unseen.",
                "Django never writes so; if your own SQL does, use DELETE and INSERT.",
            )
    if len(meta.pk_fields) > 1:
        yield "E006", f"binds {meta.label}, which has a composite primary key.", "Bind a model with a single one."
    for field in meta.concrete_fields:
        if is_parent_link(field) and not field.primary_key:
            what = f"binds {meta.label}, whose link {field.name!r} to a table it inherits is not its primary key."
            yield "E007", what, "Inherit one table, by the link that Django makes."
    for model in binding.watched():
        if (elsewhere := router.db_for_write(model)) != binding.using():
            what = (
                f"binds {meta.label} in the database {binding.using()!r}, but {model._meta.label} is in {elsewhere!r}."
            )
            yield "E008", what, "Have your router keep together what makes up one row."
    row = binding.model()
    row._state.db = binding.using()
    if (elsewhere := router.db_for_read(binding.model, instance=row)) != binding.using():
        what = f"binds {meta.label}, and reads of it go to the database {elsewhere!r}: what hooks read may be old."
        hint = "In db_for_read, answer with hints['instance']._state.db where there is an instance."
        yield "W004", what, hint
    if inspect.getattr_static(binding, "group_names") is inspect.getattr_static(WebsocketBinding, "group_names"):
        yield "E009", "has no group_names, so nobody would see a change.", "Return the groups that may see a row."
    if binding.has_permission is WebsocketBinding.has_permission:
        hint = "Define has_permission(self, user, action, pk); return False to say that this is meant."
        yield "W001", "has no has_permission, so every write from a browser is refused.", hint


def _faults_of_names(binding: Binding) -> Iterator[tuple[str, str, str]]:
    meta, links = binding.model._meta, binding.links()
    for attribute in ("fields", "exclude", "image_fields"):
        names = getattr(binding, attribute) or ()
        if attribute == "fields" and names in EVERY:
            continue
        if isinstance(names, str):
            yield "E003", f"has {attribute} = {names!r}, a string.", f"Make it a list: [{names!r}]."
            continue
        for name in names:
            try:
                field = meta.get_field(name)
            except FieldDoesNotExist:
                there = ", ".join(column.name for column in meta.concrete_fields)
                yield "E005", f"lists {name!r}, which {meta.label} does not have.", f"It has: {there}."
                continue
            if field not in (*meta.concrete_fields, *meta.many_to_many):
                yield "E004", f"lists {name!r}, which {meta.label} does not store.", "Bind the model that does."
            elif field in links and not _joins_keys(field):
                through = field.remote_field.through._meta.label
                what = f"lists {name!r}, whose link {through} names rows by other than their primary keys."
                yield "E004", what, "Take to_field out of its foreign keys."


def _joins_keys(field: Any) -> bool:
    names = field.m2m_field_name(), field.m2m_reverse_field_name()
    return all(field.remote_field.through._meta.get_field(name).target_field.primary_key for name in names)
