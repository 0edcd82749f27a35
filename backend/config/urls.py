"""Pages. The WebSockets are in asgi.py."""

from django.contrib import admin
from django.shortcuts import redirect
from django.templatetags.static import static
from django.urls import include, path

# demos
from live_edit.views import live_edit
from liveblog.views import index, like, liveblog

# instead: from django.views.generic import TemplateView
# end of demos

urlpatterns = [
    # demos
    path("", index, name="index"),
    path("liveblog/<slug:slug>/", liveblog, name="liveblog"),
    path("liveblog/posts/<int:pk>/like/", like, name="like"),
    path("live-edit/", live_edit, name="live-edit"),
    # instead: path("", TemplateView.as_view(template_name="index.html"), name="index"),
    # end of demos
    path("accounts/", include("django.contrib.auth.urls")),
    path("admin/", admin.site.urls),
    path("favicon.ico", lambda request: redirect(static("app/icon.svg"))),  # for pages that name none: the admin's
]
