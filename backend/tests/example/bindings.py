"""Everybody reads what is published; staff read drafts too, and write. Numbers: every logged-in user."""

from django.core.exceptions import PermissionDenied
from django.http import Http404

from channels_databinding import WebsocketBinding

from .models import IntegerValue, Liveblog, Post


class PostBinding(WebsocketBinding):
    model = Post
    stream = "posts"
    fields = ["liveblog", "body", "published", "created"]

    @classmethod
    def group_names(cls, post):
        staff, readers = f"liveblog-{post.liveblog_id}-staff", f"liveblog-{post.liveblog_id}"
        return [staff, readers] if post.published else [staff]

    @classmethod
    def rows_in(cls, group):
        _, liveblog, *is_staff = group.split("-")
        posts = Post.objects.filter(liveblog=liveblog).order_by("-created")
        return posts if is_staff else posts.filter(published=True)

    def subscription_groups(self, user, liveblog):
        if not Liveblog.objects.filter(pk=liveblog).exists():
            raise Http404(f"There is no live blog {liveblog}. It may have been deleted.")
        return [f"liveblog-{liveblog}-staff" if user.is_staff else f"liveblog-{liveblog}"]

    def has_permission(self, user, action, pk):
        if not user.is_staff:
            raise PermissionDenied("You may not do this: only staff may write here.")
        return True


class IntegerValueBinding(WebsocketBinding):
    model = IntegerValue
    stream = "intval"
    fields = ["name", "value"]

    @classmethod
    def group_names(cls, instance):
        return ["intval-updates"]

    def has_permission(self, user, action, pk):
        return user.is_authenticated
