from django.contrib.auth import get_user_model
from django.shortcuts import render

from .consumers import Demultiplexer
from .models import Task


def live_edit(request):
    """The tasks and the sliders, with their rows in the page."""
    return render(
        request,
        "live-edit.html",
        {
            "printed": Task.objects.select_related("owner"),
            "tasks": Demultiplexer.snapshot(request, "tasks"),
            "values": Demultiplexer.snapshot(request, "intval"),
            "owners": get_user_model().objects.filter(is_active=True).order_by("username"),
            "statuses": Task.Status,
        },
    )
