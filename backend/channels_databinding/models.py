"""… → binding → **models** → capture → journal → …

The journal's tables. None is managed by migrations: `flush` must not empty them, and installing the triggers
makes them (`capture.install`).
"""

from django.db import models


class Entry(models.Model):
    """One changed row: which, and what it was **before** the change. Written by triggers alone."""

    id = models.BigAutoField(primary_key=True)
    table = models.TextField()
    pk_value = models.TextField(null=True, db_column="pk")
    op = models.TextField()  # create, update, delete; reset: what this table's clients show can no longer be derived
    image = models.TextField(null=True)
    ref = models.TextField(null=True)  # the client write that touched this row itself

    class Meta:
        managed = False
        db_table = "channels_databinding_journal"

    def __str__(self) -> str:
        return f"{self.id}: {self.op} {self.table} {self.pk_value}"


class Ref(models.Model):
    """A client write that was applied: sent again, it is answered from here and not done twice."""

    who = models.TextField()
    ref = models.TextField()
    digest = models.TextField()  # of stream and payload: the same ref with another payload is refused
    answer = models.TextField(null=True)  # the pk of the row, as JSON
    at = models.FloatField()  # seconds since 1970

    class Meta:
        managed = False
        db_table = "channels_databinding_ref"
        constraints = [models.UniqueConstraint(fields=["who", "ref"], name="channels_databinding_ref_once")]

    def __str__(self) -> str:
        return f"{self.who} {self.ref}"


class Mark(models.Model):
    """At this time the journal had come this far. Old marks say what may be pruned."""

    at = models.FloatField(primary_key=True)  # seconds since 1970
    position = models.TextField()

    class Meta:
        managed = False
        db_table = "channels_databinding_mark"

    def __str__(self) -> str:
        return f"{self.at}: {self.position}"


class State(models.Model):
    """What is true of the journal as a whole: `epoch`, `floor`, and `migrating` while a migration runs."""

    key = models.TextField(primary_key=True)
    value = models.TextField()

    class Meta:
        managed = False
        db_table = "channels_databinding_state"

    def __str__(self) -> str:
        return f"{self.key}={self.value}"
