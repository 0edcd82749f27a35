"""… → capture → **capture.install** → journal → …

Keeps the triggers where bindings need them. DDL is issued only where something differs, and wherever a trigger was
missing a *reset* row goes into the journal in the same transaction: what changed meanwhile nobody saw.
"""

import os
import time
from collections.abc import Iterable
from typing import Any, Final
from uuid import uuid4

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import ForeignKey, Model

from ..binding import BINDINGS, bindings_in, parts
from ..models import Entry, State
from . import DATABASES, database

# In containers a pid says little: every server may be number 1 of its own. So a migration that was not finished is
# taken for dead after an hour even if somebody has its pid.
MIGRATING_S: Final = 3_600

TABLES: Final = """
    CREATE TABLE IF NOT EXISTS channels_databinding_ref (who text NOT NULL, ref text NOT NULL, digest text NOT NULL,
        answer text, at double precision NOT NULL, PRIMARY KEY (who, ref));
    CREATE INDEX IF NOT EXISTS channels_databinding_ref_at ON channels_databinding_ref (at);
    CREATE TABLE IF NOT EXISTS channels_databinding_mark (at double precision PRIMARY KEY, position text NOT NULL);
    CREATE TABLE IF NOT EXISTS channels_databinding_state (key text PRIMARY KEY, value text NOT NULL)
"""  # in words that every kind of database understands; the journal is in its own


def install(using: str = DEFAULT_DB_ALIAS, *, only_missing: bool = False) -> list[str]:
    """Make the journal's tables and the triggers what this database's bindings need. Returns the tables that were
    reset.

    `only_missing` leaves alone what differs: another release of the project may be running beside this one.
    """
    kind = database(using)
    with connections[using].cursor() as cursor:
        # A dump may have left out their rows. While one is being restored they come after the tables: then they are
        # not missing, and those made here would be in their way.
        state = State.objects.using(using)
        if not _has_tables(cursor) or not (only_missing or state.filter(key="epoch").exists()):
            _make_tables(cursor)
        if not _differences(cursor, only_missing)[0]:
            return []
        with transaction.atomic(using):
            kind.lock(cursor, patient=not only_missing)
            differing, have, wanted = _differences(cursor, only_missing)
            for name in differing:
                if name in wanted:
                    kind.put(cursor, name, wanted[name][1])
                else:
                    kind.drop(cursor, name)
            reset = sorted({table for name, (table, _) in wanted.items() if name not in have and table})
            for table in reset:
                Entry.objects.using(using).create(table=table, op="reset")
    return reset


def missing(using: str = DEFAULT_DB_ALIAS) -> list[str]:
    """Return what bindings need and this database does not have: tables, and triggers."""
    with connections[using].cursor() as cursor:
        if not _has_tables(cursor):
            return [Entry._meta.db_table]
        lacking, _, wanted = _differences(cursor, only_missing=True)
    tables = {model._meta.db_table for binding in bindings_in(using) for model in binding.watched()}
    return sorted(tables - {table for table, _ in wanted.values()}) + lacking


def uninstall(tables: Iterable[str], using: str = DEFAULT_DB_ALIAS) -> None:
    """Take the triggers off these tables: SQLite does not drop a column that a trigger names."""
    kind, tables = database(using), set(tables)
    with connections[using].cursor() as cursor:
        for name, (table, _) in kind.installed(cursor).items():
            if table in tables:
                kind.drop(cursor, name)


def image_columns(model: type[Model]) -> list[str]:
    """Return the columns an image of this table holds: pk, foreign keys, and what any binding sends or asks for.
    Nothing else, so that no password lies in the journal."""
    fields = model._meta.local_concrete_fields
    names = {field.name for field in fields if field.primary_key or isinstance(field, ForeignKey)}
    for binding in BINDINGS:
        if model in parts(binding.model):
            names |= {field.name for field in binding.listed()} | set(binding.image_fields)
    return [str(field.column) for field in fields if field.name in names]


def pre_migrate(plan: Iterable[Any] = (), using: str = DEFAULT_DB_ALIAS, **kwargs: Any) -> None:
    """On SQLite take the triggers off the tables of an app that is about to be migrated, and off no other."""
    label = kwargs["app_config"].label
    if not _has_journal(using) or connections[using].vendor != "sqlite":
        return
    if not any(migration.app_label == label for migration, _ in plan):
        return
    # The process that takes them off: if it dies before it puts them back, the next server to look does.
    State.objects.using(using).update_or_create(key="migrating", defaults={"value": f"{os.getpid()} at {time.time()}"})
    before = kwargs["apps"].get_models(include_auto_created=True)
    uninstall((model._meta.db_table for model in before if model._meta.app_label == label), using)


def post_migrate(using: str = DEFAULT_DB_ALIAS, **kwargs: Any) -> None:
    if bindings_in(using) or _has_journal(using):
        install(using)
        State.objects.using(using).filter(key="migrating").delete()


def is_migrating(using: str = DEFAULT_DB_ALIAS) -> bool:
    """Whether triggers are off on purpose. WAL keeps all processes of a database on one machine, so a pid tells
    whether the one that took them off still lives."""
    noted = State.objects.using(using).filter(key="migrating").values_list("value", flat=True).first()
    if noted is None:
        return False
    pid, at = noted.split(" at ")
    if time.time() - float(at) > MIGRATING_S:
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it lives, under another user
        pass
    return True


def _has_journal(using: str) -> bool:
    if connections[using].vendor not in DATABASES:
        return False
    with connections[using].cursor() as cursor:
        return _has_tables(cursor)


def _has_tables(cursor: CursorWrapper) -> bool:
    cursor.execute(database(cursor.db.alias).HAS_TABLES)
    return bool(cursor.fetchone()[0])


def _make_tables(cursor: CursorWrapper) -> None:
    using = cursor.db.alias
    kind = database(using)
    with transaction.atomic(using):
        for statement in f"{kind.JOURNAL};{TABLES}".split(";"):
            cursor.execute(statement)
        kind.lock(cursor)
        state = State.objects.using(using)
        state.get_or_create(key="epoch", defaults={"value": uuid4().hex})
        state.get_or_create(key="floor", defaults={"value": "0"})


Triggers = dict[str, tuple[str, str]]  # {name: (table, CREATE TRIGGER …)}


def _differences(cursor: CursorWrapper, only_missing: bool) -> tuple[list[str], Triggers, Triggers]:
    """Return the names to act on, the triggers that are there and those that should be."""
    using = cursor.db.alias
    models = {model: image_columns(model) for binding in bindings_in(using) for model in binding.watched()}
    kind = database(using)
    have, wanted = kind.installed(cursor), kind.triggers(cursor, models)
    missing = [name for name in wanted if name not in have]
    differing = [name for name, trigger in have.items() if wanted.get(name) != trigger]
    return (missing if only_missing else missing + differing), have, wanted
