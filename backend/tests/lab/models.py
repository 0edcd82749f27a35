import uuid

from django.db import models
from django.db.models.functions import Lower


class Thing(models.Model):
    """A column of each kind."""

    class Size(models.TextChoices):
        SMALL = "s"
        LARGE = "l"

    char = models.CharField(max_length=100, default="", blank=True)
    text = models.TextField(default="", blank=True)
    integer = models.IntegerField(default=0)
    big = models.BigIntegerField(default=0)
    boolean = models.BooleanField(default=False)
    maybe = models.BooleanField(null=True, blank=True)
    float = models.FloatField(default=0.0)
    decimal = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    date = models.DateField(null=True, blank=True)
    time = models.TimeField(null=True, blank=True)
    datetime = models.DateTimeField(null=True, blank=True)
    duration = models.DurationField(null=True, blank=True)
    uuid = models.UUIDField(null=True, blank=True)
    json = models.JSONField(null=True, blank=True)
    binary = models.BinaryField(editable=True, default=b"", blank=True)
    sealed = models.BinaryField(default=b"")  # not editable, as BinaryField is by itself
    file = models.FileField(blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    size = models.CharField(max_length=1, choices=Size, default=Size.SMALL)
    twice = models.GeneratedField(
        expression=models.F("integer") * 2, output_field=models.IntegerField(), db_persist=True
    )
    changed = models.DateTimeField(auto_now=True)


class Blog(models.Model):
    slug = models.CharField(max_length=50, unique=True)
    title = models.CharField(max_length=50, default="")


class Person(models.Model):
    name = models.CharField(max_length=50)
    password = models.CharField(max_length=50, default="", blank=True)
    motto = models.CharField(max_length=50, default="", blank=True)


class Article(models.Model):
    blog = models.ForeignKey(Blog, on_delete=models.CASCADE)
    editor = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL)
    body = models.TextField(default="", blank=True)


class Seat(models.Model):
    """Every kind of uniqueness."""

    row = models.IntegerField()
    number = models.IntegerField()
    guest = models.CharField(max_length=50, default="")
    ticket = models.IntegerField(unique=True, null=True)
    hall = models.CharField(max_length=20, default="main")

    class Meta:
        unique_together = [("row", "number", "hall")]


class Address(models.Model):
    """Of all with one person one is the current one."""

    person = models.IntegerField()
    current = models.BooleanField(default=False)
    street = models.CharField(max_length=50, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "current"], condition=models.Q(current=True), name="lab_current")
        ]


class Alias(models.Model):
    """The same in capitals is the same."""

    name = models.CharField(max_length=20)

    class Meta:
        constraints = [models.UniqueConstraint(Lower("name"), name="lab_alias_name")]


class Label(models.Model):
    """A natural key."""

    code = models.CharField(max_length=20, primary_key=True)
    text = models.CharField(max_length=50, default="", blank=True)


class Nickname(models.Model):
    """A key that is the same in capitals."""

    name = models.CharField(max_length=20, primary_key=True, db_collation="NOCASE")
    text = models.CharField(max_length=50, default="", blank=True)


class Token(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    text = models.CharField(max_length=50, default="", blank=True)


class Odd(models.Model):
    """Names that have to be quoted."""

    value = models.IntegerField(db_column="it's value", default=0)

    class Meta:
        db_table = "lab odd-table"


class Diary(models.Model):
    """Not bound: no trigger is on it unless a test says so."""

    day = models.CharField(max_length=50, default="")
    secret = models.CharField(max_length=50, default="")
    mood = models.CharField(max_length=50, default="")
    author = models.ForeignKey(Person, null=True, on_delete=models.CASCADE)


class Tag(models.Model):
    """On articles, one at least."""

    name = models.CharField(max_length=50)
    articles = models.ManyToManyField(Article)


class Team(models.Model):
    """Joined to others in each way there is."""

    name = models.CharField(max_length=50, default="", blank=True)
    members = models.ManyToManyField(Person, through="Membership", blank=True)
    tokens = models.ManyToManyField(Token, blank=True)
    allies = models.ManyToManyField("self", blank=True)
    aliases = models.ManyToManyField(Alias, blank=True)


class Membership(models.Model):
    team = models.ForeignKey(Team, on_delete=models.CASCADE)
    person = models.ForeignKey(Person, on_delete=models.CASCADE)
    role = models.CharField(max_length=50, default="")


class Essay(Article):
    """Inherits a table."""

    pages = models.IntegerField(default=0)


class Review(Essay):
    """Inherits a table that inherits one, and has no column of its own."""


class Draft(Article):
    """Another name for the same table."""

    class Meta:
        proxy = True
