"""… → binding → **models** → capture → journal → …

The journal's tables. None is managed by migrations: `flush` must not empty them, and installing the triggers
makes them (`capture.install`).
"""

from django.db import models


class Table(models.Model):
    class Meta:
        abstract = True
        managed = False


class Entry(Table):
    """One changed row: which, and what it was **before** the change. Written by triggers alone."""

    id = models.BigAutoField(primary_key=True)
    table = models.TextField()
    pk_value = models.TextField(null=True, db_column="pk")
    op = models.TextField()  # create, update, delete; reset: what this table's clients show can no longer be derived
    image = models.TextField(null=True)
    ref = models.TextField(null=True)  # the client write that touched this row itself

    class Meta(Table.Meta):
        db_table = "channels_databinding_journal"


class Ref(Table):
    """A client write that was applied: sent again, it is answered from here and not done twice."""

    pk = models.CompositePrimaryKey("who", "ref")
    who = models.TextField()
    ref = models.TextField()
    digest = models.TextField()  # of stream and payload: the same ref with another payload is refused
    answer = models.TextField(null=True)  # the pk of the row, as JSON
    at = models.FloatField()  # seconds since 1970


class Mark(Table):
    """At this time the journal had come this far. Old marks say what may be pruned."""

    at = models.FloatField(primary_key=True)  # seconds since 1970
    position = models.TextField()


class State(Table):
    """What is true of the journal as a whole: `epoch`, `floor`, and `migrating` while a migration runs."""

    key = models.TextField(primary_key=True)
    value = models.TextField()
