"""Who sees and writes what. Everybody reads what is published; staff read drafts too, and write."""

from django.core.exceptions import PermissionDenied
from django.http import Http404

from channels_databinding import WebsocketBinding

from .models import Liveblog, Post


def readers(liveblog_pk):
    return f"liveblog-{liveblog_pk}"


def staff(liveblog_pk):
    return f"liveblog-{liveblog_pk}-staff"


def page(liveblog_pk):
    return f"liveblog-{liveblog_pk}-page"


def look_up(liveblog_pk):
    if not Liveblog.objects.filter(pk=liveblog_pk).exists():
        raise Http404(f"There is no live blog {liveblog_pk}. It may have been deleted.")


class StaffWrite(WebsocketBinding):
    def has_permission(self, user, action, pk):
        if not user.is_staff:
            raise PermissionDenied("You may not do this: only staff may write here.")
        return True


class PostBinding(StaffWrite):
    """The posts of one live blog, for its page."""

    model = Post
    stream = "posts"
    fields = ["liveblog", "body", "published", "pinned", "likes", "created"]

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
        look_up(liveblog)
        return [staff(liveblog) if user.is_staff else readers(liveblog)]


class LiveblogBinding(StaffWrite):
    """The live blogs: all of them for the front page, and one for its own, where all see who reads."""

    model = Liveblog
    stream = "liveblogs"
    fields = ["name", "slug", "live"]

    @classmethod
    def group_names(cls, liveblog):
        return ["liveblogs", page(liveblog.pk)]

    @classmethod
    def rows_in(cls, group):
        liveblogs = Liveblog.objects.all()
        return liveblogs if group == "liveblogs" else liveblogs.filter(pk__in=group.split("-")[1:2])

    def subscription_groups(self, user, liveblog):
        look_up(liveblog)
        return [page(liveblog)]


class PublishedBinding(WebsocketBinding):
    """Which posts are published, and where: enough for the front page to count them, and nothing of what they say."""

    model = Post
    stream = "published"
    fields = ["liveblog"]

    @classmethod
    def group_names(cls, post):
        return ["published"] if post.published else []

    @classmethod
    def rows_in(cls, group):
        return Post.objects.filter(published=True)

    def has_permission(self, user, action, pk):
        return False
