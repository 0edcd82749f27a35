from django.shortcuts import get_object_or_404, render

from .models import Liveblog


def index(request):
    """The front page: what there is to see."""
    return render(request, "index.html", {"liveblogs": Liveblog.objects.all()})


def liveblog(request, slug):
    """One live blog. Its posts come over the WebSocket."""
    return render(
        request,
        "liveblog.html",
        {"liveblog": get_object_or_404(Liveblog, slug=slug), "liveblogs": Liveblog.objects.all()},
    )
