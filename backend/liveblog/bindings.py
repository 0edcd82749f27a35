"""Who sees which posts, and who writes them. Everybody reads what is published; staff read drafts too, and write."""

from django.core.exceptions import PermissionDenied
from django.http import Http404

from channels_databinding import WebsocketBinding

from .models import Liveblog, Post


def readers(liveblog_pk):
    return f"liveblog-{liveblog_pk}"


def staff(liveblog_pk):
    return f"liveblog-{liveblog_pk}-staff"


class PostBinding(WebsocketBinding):
    model = Post
    stream = "posts"
    fields = ["liveblog", "body", "published", "created"]

    @classmethod
    def group_names(cls, post):
        groups = [staff(post.liveblog_id)]
        if post.published:
            groups.append(readers(post.liveblog_id))
        return groups

    @classmethod
    def rows_in(cls, group):
        _, liveblog_pk, *is_staff = group.split("-")
        posts = Post.objects.filter(liveblog=liveblog_pk)
        return posts if is_staff else posts.filter(published=True)

    def subscription_groups(self, user, liveblog):
        if not Liveblog.objects.filter(pk=liveblog).exists():
            raise Http404(f"There is no live blog {liveblog}. It may have been deleted.")
        return [staff(liveblog) if user.is_staff else readers(liveblog)]

    def has_permission(self, user, action, pk):
        if not user.is_staff:
            raise PermissionDenied("You may not do this: only staff may write here.")
        return True
