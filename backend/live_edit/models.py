from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models


class IntegerValue(models.Model):
    name = models.CharField(max_length=100, unique=True)
    value = models.IntegerField(default=0, validators=[MinValueValidator(0), MaxValueValidator(100)])

    class Meta:
        ordering = ["name"]

    def __str__(self):
        return f"{self.name}: {self.value}"


class Task(models.Model):
    class Status(models.TextChoices):
        TO_DO = "to do", "To do"
        DOING = "doing", "Doing"
        DONE = "done", "Done"

    title = models.CharField(
        max_length=100,
        error_messages={
            "blank": "Give the task a title.",
            "max_length": "A title has at most %(limit_value)d characters; this one has %(show_value)d.",
        },
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="tasks"
    )
    status = models.CharField(max_length=5, choices=Status, default=Status.TO_DO)
    due = models.DateField("due date", null=True, blank=True)
    notes = models.TextField(blank=True)
    # Between those of its neighbours, so that moving a task writes one row.
    position = models.FloatField(blank=True, help_text="Left empty, the task comes last.")

    class Meta:
        ordering = ["position", "pk"]

    def __str__(self):
        return self.title

    def save(self, **kwargs):
        if self.position is None:
            last = Task.objects.aggregate(models.Max("position"))["position__max"]
            self.position = 1 if last is None else last + 1
        super().save(**kwargs)

    def clean(self):
        # Refused, not stripped: the one who types "Paint " is about to go on.
        if self.title and not self.title.strip():
            raise ValidationError({"title": "Give the task a title."})
