"""Everybody else who writes: with the ORM, in bulk, by SQL, in transactions that are rolled back."""

from contextlib import suppress

from django.db import connection, transaction
from django.db.models import F, Max, TextField, Value
from django.db.models.functions import Cast, Concat

from channels_databinding.models import Entry, State
from example.models import Post

NEXT_KEY = {
    "sqlite": "(SELECT seq + 1 FROM sqlite_sequence WHERE name = 'example_post')",
    "postgresql": "nextval('example_post_id_seq')",
}
INTO = "INTO example_post (id, liveblog_id, body, published, created, updated)"
VALUES = "VALUES (%s, %s, %s, false, '2000-01-01', '2000-01-01')"
REPLACE = {
    "sqlite": f"REPLACE {INTO} {VALUES}",
    "postgresql": f"""INSERT {INTO} {VALUES} ON CONFLICT (id) DO UPDATE
        SET liveblog_id = excluded.liveblog_id, body = excluded.body, published = excluded.published""",
}


class Undo(Exception):
    pass


class Outsiders:
    """`r` chooses. Each write puts a new body into the row."""

    def __init__(self, world):
        self.world, self.truth, self.n = world, world.truth, 0

    def body(self):
        self.n += 1
        return f"o{self.n}"

    def transaction(self, r):
        """Some changes, some of them undone."""
        with suppress(Undo), transaction.atomic():
            for _ in range(r.choice([1, 1, 1, 2, 3])):
                if r.random() < 0.1:
                    with suppress(Undo), transaction.atomic():
                        self.change(r)
                        raise Undo
                self.change(r)
            if r.random() < 0.1:
                self.world.say("rolled back")
                raise Undo

    def change(self, r):
        pks = list(Post.objects.order_by("pk").values_list("pk", flat=True))
        names = ["create", "bulk_create"] if len(pks) < 5 else []  # few rows, so that the same one is met again
        if pks:
            names += ["save", "edit", "move", "move", "move", "there_and_back", "publish", "delete", "everywhere"]
            names += ["renumber", "replace", "come_and_go"]
        name = r.choice(names)
        pk, blog = r.choice(pks or [0]), r.choice([1, 1, 2, 3])
        self.world.say(f"somebody: {name} {pk} {blog}")
        getattr(self, name)(pk, blog)
        self.note()

    def note(self):
        with connection.cursor() as cursor:
            self.truth.note(cursor.execute)

    def create(self, pk, blog):
        Post.objects.create(liveblog_id=blog, body=self.body())

    def bulk_create(self, pk, blog):
        Post.objects.bulk_create([Post(liveblog_id=n, body=self.body(), published=n == blog) for n in (1, 3)])

    def save(self, pk, blog):
        post = Post.objects.get(pk=pk)
        post.body = self.body()
        post.save()

    def edit(self, pk, blog):
        Post.objects.filter(pk=pk).update(body=self.body())

    def move(self, pk, blog):
        Post.objects.filter(pk=pk).update(liveblog=blog, body=self.body())

    def there_and_back(self, pk, blog):
        home = Post.objects.values_list("liveblog", flat=True).get(pk=pk)
        for to in (blog, home):
            self.move(pk, to)
            self.note()

    def publish(self, pk, blog):
        post = Post.objects.get(pk=pk)
        Post.objects.filter(pk=pk).update(published=not post.published, body=self.body())

    def delete(self, pk, blog):
        Post.objects.get(pk=pk).delete()

    def everywhere(self, pk, blog):
        body = Concat(Value(self.body() + "."), Cast(F("pk"), TextField()))
        Post.objects.filter(liveblog=blog).update(body=body)

    def renumber(self, pk, blog):
        # To a key that no row ever had: the rules of `ref` are for keys that are not used again.
        self.sql(
            f"UPDATE example_post SET body = %s, id = {NEXT_KEY[connection.vendor]} WHERE id = %s", self.body(), pk
        )
        if connection.vendor == "sqlite":
            self.sql("UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'example_post'")

    def replace(self, pk, blog):
        self.sql(REPLACE[connection.vendor], pk, blog, self.body())

    def come_and_go(self, pk, blog):
        post = Post.objects.create(liveblog_id=blog, body=self.body())
        self.note()
        post.delete()

    def sql(self, sql, *values):
        with connection.cursor() as cursor:
            cursor.execute(sql, values)

    def behind_its_back(self, r):
        """Commit something from another connection while a reader has begun."""
        self.truth.file.execute(
            f"UPDATE example_post SET liveblog_id = {r.choice([1, 2, 3])}, body = '{self.body()}' "
            "WHERE id = (SELECT max(id) FROM example_post)"
        )

    def unseen(self, r):
        """Change something that the journal does not have: with its triggers gone, or a restored database."""
        with transaction.atomic():
            before = Entry.objects.aggregate(newest=Max("id", default=0))["newest"]
            self.change(r)
            Entry.objects.filter(id__gt=before).delete()
            if r.random() < 0.5:
                Entry.objects.create(table="example_post", op="reset")
            else:
                self.n += 1
                State.objects.filter(key="epoch").update(value=f"epoch{self.n}")
