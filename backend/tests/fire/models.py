from django.db import models, transaction


class Room(models.Model):
    """Its slug is the group of its notes: who follows the foreign key reads it."""

    slug = models.CharField(max_length=20, unique=True)


class Note(models.Model):
    """`version` grows with each change, `at` is when it was made; `marker` names a browser's write that made it."""

    room = models.ForeignKey(Room, on_delete=models.CASCADE)
    version = models.IntegerField(default=1)
    at = models.FloatField(default=0)  # seconds since 1970
    marker = models.CharField(max_length=64, default="", blank=True)

    def save(self, *args, **kwargs):
        """A write that is named leaves a trace: two, if it is done twice."""
        with transaction.atomic():
            super().save(*args, **kwargs)
            if self.marker:
                Trace.objects.create(marker=self.marker, version=self.version)


class Trace(models.Model):
    """A browser's write that was done, and which version of the note it made."""

    marker = models.CharField(max_length=64)
    version = models.IntegerField()


class Pass(models.Model):
    """Who may see a room."""

    name = models.CharField(max_length=20)
    slug = models.CharField(max_length=20)

    class Meta:
        unique_together = [("name", "slug")]
