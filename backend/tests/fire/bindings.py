"""Who has a pass for a room sees its notes and writes them."""

import time

from django.core.exceptions import PermissionDenied

from channels_databinding import WebsocketBinding
from channels_databinding.binding import WebsocketBindingWithMembers

from .models import Note, Pass, Room

SLOW_S = 0.2  # once a second, for who asks a note for its groups just then


class NoteBinding(WebsocketBindingWithMembers):
    model = Note
    stream = "notes"
    fields = ["room", "version", "at", "marker"]
    send_members = ["room.slug"]  # so that a browser can judge each frame by itself

    def group_names(cls, note):
        if time.time() % 1 < 0.05:  # so that a batch has several transactions, and snapshots are read meanwhile
            time.sleep(SLOW_S)  # a slow hook is what is tried here
        return [f"room-{note.room.slug}"]

    def rows_in(cls, group):
        return Note.objects.filter(room__slug=group.removeprefix("room-")).select_related("room")

    def subscription_groups(self, user, room):
        if not Pass.objects.filter(name=user.pk, slug=room).exists():
            raise PermissionDenied
        return [f"room-{room}"]

    def has_permission(self, user, action, pk):
        return True

    def get_queryset(self):
        slugs = Pass.objects.filter(name=self.user.pk).values("slug")
        return Note.objects.filter(room__slug__in=slugs)

    def create(self, data):
        room = Room.objects.get(slug=data["slug"])
        note = Note(room=room, at=time.time(), marker=data["marker"])
        note.save()
        return note

    def update(self, pk, data):
        note = self.instance
        note.version, note.at, note.marker = note.version + 1, time.time(), data["marker"]
        note.save()


class RoomBinding(WebsocketBinding):
    """So that a room's new name is captured: `group_names` of a note reads it."""

    model = Room
    stream = "rooms"
    fields = ["slug"]

    def group_names(cls, room):
        return []

    def has_permission(self, user, action, pk):
        return False
