from django.conf import settings
from django.db.models import F
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from .consumers import Demultiplexer, FrontPageDemultiplexer
from .models import Liveblog, Post


def index(request):
    """The front page: what there is to see, and how it works."""
    liveblogs, published = (FrontPageDemultiplexer.snapshot(request, stream) for stream in ("liveblogs", "published"))
    for liveblog in liveblogs["rows"]:
        liveblog["posts"] = sum(post["data"]["liveblog"] == liveblog["pk"] for post in published["rows"])
    # The logins that `manage.py seed` makes exist in development only.
    return render(
        request, "index.html", {"liveblogs": liveblogs, "published": published, "debug_logins": settings.DEBUG}
    )


def liveblog(request, slug):
    """One live blog, with its posts in the page."""
    liveblog = get_object_or_404(Liveblog, slug=slug)
    return render(
        request,
        "liveblog.html",
        {
            "liveblog": liveblog,
            "liveblogs": Liveblog.objects.all(),
            "posts": Demultiplexer.snapshot(request, "posts", liveblog=liveblog.pk),
            "liveblog_rows": Demultiplexer.snapshot(request, "liveblogs", liveblog=liveblog.pk),
        },
    )


@require_POST
def like(request, pk):
    """One more for a post. Every screen hears of it, though nothing here knows of screens."""
    post = get_object_or_404(Post.objects.select_related("liveblog"), pk=pk, published=True)
    Post.objects.filter(pk=pk).update(likes=F("likes") + 1)
    return redirect(f"{post.liveblog.get_absolute_url()}#post-{pk}")
