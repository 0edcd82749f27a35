"""Those who write behind everybody's back, in a process of their own: `python -m fire.writers SEED`. It is told what to
do by lines: `go`, `rest`, `prune`; each is answered once it is so."""

import os
import random
import sys
import threading
import time
from contextlib import suppress

import django

django.setup()

from django.db import Error, connection, transaction  # noqa: E402
from django.db.models import F  # noqa: E402

from channels_databinding import journal  # noqa: E402
from channels_databinding.models import Mark  # noqa: E402

from .models import Note, Room  # noqa: E402

THREADS = 3
PAUSE_S = 0.05  # between two transactions of a thread, on average
AHEAD_S = 1.5 * 86_400  # of pruning: the journal is kept for one day, refs for two


class Undone(Exception):
    """A rollback that is meant."""


class Writer(threading.Thread):
    def __init__(self, seed, going):
        super().__init__(daemon=True)
        self.random, self.going, self.done = random.Random(seed), going, 0
        self.resting = threading.Event()
        self.resting.set()

    def run(self):
        while True:
            if not self.going.is_set():
                self.resting.set()
                self.going.wait()
                self.resting.clear()
            with suppress(Error, Undone):  # the database is away, or another writer was in the way
                if self.random.random() < 0.2:
                    self.visit()
                else:
                    self.work()
                self.done += 1
            if not connection.is_usable():
                connection.close()
            time.sleep(self.random.expovariate(1 / PAUSE_S))  # as people do

    def visit(self):
        """A note is in a room for a moment: who read just then must be told that it has left."""
        note = Note.objects.create(room=self.room(), at=time.time())
        time.sleep(self.random.expovariate(1 / 0.05))
        note.delete()

    def work(self):
        with transaction.atomic():
            for _ in range(self.random.choice([1, 1, 1, 2, 5])):
                self.step()
                if self.random.random() < 0.3:
                    time.sleep(self.random.expovariate(1 / 0.05))  # that long it holds what it has locked
            if self.random.random() < 0.1:
                raise Undone

    def step(self):
        what = self.random.choice(
            [
                self.create,
                self.save,
                self.update,
                self.move,
                self.sql,
                self.bulk,
                self.delete,
                self.savepoint,
                self.rename,
            ]
        )
        what()

    def note(self):
        keys = list(Note.objects.values_list("pk", flat=True))
        return self.random.choice(keys) if keys else 0

    def room(self):
        return self.random.choice(list(Room.objects.all()))

    def create(self):
        Note.objects.create(room=self.room(), at=time.time())

    def save(self):
        note = Note.objects.select_for_update().filter(pk=self.note()).first()
        if note is not None:
            note.version, note.at, note.marker = note.version + 1, time.time(), ""
            note.save()

    def update(self):
        notes = Note.objects.filter(pk__gte=self.note()).order_by("pk")[:5].values("pk")
        Note.objects.filter(pk__in=notes).update(version=F("version") + 1, at=time.time(), marker="")

    def move(self):
        Note.objects.filter(pk=self.note()).update(
            room=self.room(), version=F("version") + 1, at=time.time(), marker=""
        )

    def sql(self):
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE fire_note SET version = version + 1, at = %s, marker = '' WHERE id = %s",
                [time.time(), self.note()],
            )

    def bulk(self):
        room = self.room()
        Note.objects.bulk_create(Note(room=room, at=time.time()) for _ in range(self.random.randint(1, 5)))

    def delete(self):
        too_many = Note.objects.count() > 60
        keys = list(Note.objects.order_by("?").values_list("pk", flat=True)[: 8 if too_many else 1])
        Note.objects.filter(pk__in=keys).delete()

    def savepoint(self):
        with suppress(Undone), transaction.atomic():
            self.bulk()
            self.update()
            raise Undone
        self.create()

    def rename(self):
        """A group that a note is in changes without the note: so the notes are touched, too."""
        room = Room.objects.select_for_update().get(pk=self.room().pk)
        if self.random.random() < 0.2:
            room.slug = room.slug.removesuffix("-new") if room.slug.endswith("-new") else f"{room.slug}-new"
            room.save()
            room.note_set.update(version=F("version") + 1, at=time.time(), marker="")


def prune():
    """Forget all there is of the journal."""
    journal.MARK_EVERY_S = float("-inf")
    now = time.time()
    journal.mark_and_prune(now)
    journal.mark_and_prune(now + AHEAD_S)
    Mark.objects.filter(at__gt=now + 1).delete()


def main(seed):
    going = threading.Event()
    writers = [Writer(f"{seed}-{n}", going) for n in range(THREADS)]
    for writer in writers:
        writer.start()
    for line in sys.stdin:
        match line.strip():
            case "go":
                going.set()
            case "rest":
                going.clear()
                for writer in writers:
                    writer.resting.wait()
            case "prune":
                with suppress(Error):
                    prune()
                connection.close()
        print(sum(writer.done for writer in writers), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
