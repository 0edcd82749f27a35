"""Fixtures: a real database file, real triggers, a real consumer. Nothing is mocked but the network's last metre."""

import pytest
from django.contrib.contenttypes.management import create_contenttypes
from django.db import connection
from django.db.models.signals import post_migrate

import databases
from channels_databinding import log
from channels_databinding.binding import BINDINGS
from channels_databinding.models import Ref
from visitor import Visitor


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup):
    """Threads keep their connections until the end, and PostgreSQL drops no database that is in use."""
    # Every flush would write anew what Django notes of its models, which takes longer than most tests and serves none.
    post_migrate.disconnect(create_contenttypes)
    post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
    yield
    databases.close_others(connection)


@pytest.fixture(autouse=True)
def complaints_of_one_test():
    """What was complained of in an earlier test is told again: each looks at a log of its own."""
    log._complaints.clear()


@pytest.fixture
async def visit(transactional_db):
    """Return `visit(demultiplexer, user=None)`: a browser that has just connected. All leave at the end."""
    await Ref.objects.all().adelete()  # flush leaves them, and each test counts its refs from r1
    visitors = []

    async def visit(demultiplexer, user=None, **options):
        visitor = Visitor(demultiplexer, user, **options)
        visitors.append(visitor)
        await visitor.connect()
        return visitor

    yield visit
    for visitor in visitors:
        await visitor.leave()


@pytest.fixture
def bindings_of_one_test(transactional_db):  # whose flush installs triggers for what is left
    """What a test declares is gone after it."""
    declared = list(BINDINGS)
    yield
    BINDINGS[:] = declared
