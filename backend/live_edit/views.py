from django.shortcuts import render


def live_edit(request):
    """The sliders. Their values come over the WebSocket."""
    return render(request, "live-edit.html")
