"""Pages. The WebSockets are in asgi.py."""

from django.contrib import admin
from django.shortcuts import redirect
from django.templatetags.static import static
from django.urls import include, path

from live_edit.views import live_edit
from liveblog.views import index, like, liveblog

urlpatterns = [
    path("", index, name="index"),
    path("liveblog/<slug:slug>/", liveblog, name="liveblog"),
    path("liveblog/posts/<int:pk>/like/", like, name="like"),
    path("live-edit/", live_edit, name="live-edit"),
    path("accounts/", include("django.contrib.auth.urls")),
    path("admin/", admin.site.urls),
    path("favicon.ico", lambda request: redirect(static("app/icon.svg"))),  # for pages that name none: the admin's
]
