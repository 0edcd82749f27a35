from django.core.exceptions import ValidationError
from django.db import models


class Liveblog(models.Model):
    name = models.CharField(max_length=100)
    slug = models.SlugField(unique=True)

    class Meta:
        ordering = ["name"]

    def __str__(self):
        return self.name


class Post(models.Model):
    liveblog = models.ForeignKey(Liveblog, on_delete=models.CASCADE, related_name="posts")
    body = models.TextField()
    published = models.BooleanField(default=False)
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-created"]

    def __str__(self):
        return self.body[:60]

    def clean(self):
        if self.body and not self.body.strip():  # an empty one the field itself refuses
            raise ValidationError({"body": "Write something first."})
