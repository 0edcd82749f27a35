from django.core.exceptions import ValidationError
from django.db import models
from django.urls import reverse


class Liveblog(models.Model):
    name = models.CharField(max_length=100)
    slug = models.SlugField(unique=True)
    live = models.BooleanField("live now", default=True, db_default=True)

    class Meta:
        ordering = ["name"]

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return reverse("liveblog", args=[self.slug])


class Post(models.Model):
    liveblog = models.ForeignKey(Liveblog, on_delete=models.CASCADE, related_name="posts")
    body = models.TextField()
    published = models.BooleanField(default=False)
    # db_default: SQL that knows nothing of a column may leave it out.
    pinned = models.BooleanField("pinned on top", default=False, db_default=False)
    likes = models.PositiveIntegerField(default=0, db_default=0, editable=False)  # so no browser can write it
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-pinned", "-created"]

    def __str__(self):
        return self.body[:60]

    def clean(self):
        if self.body and not self.body.strip():  # an empty one the field itself refuses
            raise ValidationError({"body": "Write something first."})
