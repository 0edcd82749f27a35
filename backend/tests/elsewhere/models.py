"""Models of two more databases: one of the kind that is tested, and an SQLite file beside it, whichever that is."""

from django.db import models


class Note(models.Model):
    text = models.CharField(max_length=50)


class Memo(models.Model):
    text = models.CharField(max_length=50)
    at = models.DateTimeField(null=True, blank=True)
    price = models.DecimalField(max_digits=6, decimal_places=2, default=0)
    done = models.BooleanField(default=False)
    code = models.UUIDField(null=True, blank=True)
    about = models.ManyToManyField("self", symmetrical=False, blank=True)


class Router:
    """Notes are in `second`, memos in `third`, and nothing else is."""

    places = {"note": "second", "memo": "third", "memo_about": "third"}

    def place(self, label, model_name):
        return self.places.get(model_name, "default") if label == "elsewhere" else "default"

    def db_for_read(self, model, **hints):
        return self.place(model._meta.app_label, model._meta.model_name)

    db_for_write = db_for_read

    def allow_migrate(self, db, app_label, model_name=None, **hints):
        return db == self.place(app_label, model_name)
