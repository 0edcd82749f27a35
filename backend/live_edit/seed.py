"""Four sliders, and what a small team has to do."""

from datetime import timedelta

from django.contrib.auth import get_user_model
from django.utils import timezone

from .models import IntegerValue, Task

VALUES = {"Bass": 60, "Middle": 45, "Treble": 70, "Volume": 30}

TASKS = [  # title, owner, status, due in days, notes
    ("Book the room for the concert", "alice", "done", -6, "The town hall, 200 seats. Paid."),
    ("Print the programmes", "bob", "doing", 3, "250 of them, A5, folded."),
    ("Tune the piano", "alice", "to do", 9, ""),
    ("Find somebody for the lights", None, "to do", 5, "Ask the theatre first."),
    ("Write to the local paper", "bob", "done", -2, "They send a photographer."),
    ("Rehearse the second half", "alice", "doing", 7, "The slow movement drags. Thursday, seven o'clock."),
    ("Set the price of tickets", None, "to do", None, "Last year: 12, and 6 for students."),
    ("Thank the neighbours", "bob", "to do", 14, "A card, and two tickets each."),
]


def seed():
    for name, value in VALUES.items():
        IntegerValue.objects.get_or_create(name=name, defaults={"value": value})
    if not Task.objects.exists():
        Task.objects.bulk_create(tasks())


def tasks():
    users = {user.get_username(): user for user in get_user_model().objects.all()}
    today = timezone.localdate()
    for position, (title, owner, status, days, notes) in enumerate(TASKS, 1):
        yield Task(
            title=title,
            owner=users.get(owner),
            status=status,
            due=None if days is None else today + timedelta(days),
            notes=notes,
            position=position,
        )
