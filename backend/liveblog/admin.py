from django.contrib import admin

from .models import Liveblog, Post


@admin.register(Liveblog)
class LiveblogAdmin(admin.ModelAdmin):
    list_display = ["name", "slug", "live"]
    list_editable = ["live"]
    prepopulated_fields = {"slug": ["name"]}


@admin.register(Post)
class PostAdmin(admin.ModelAdmin):
    list_display = ["__str__", "liveblog", "published", "pinned", "likes", "created"]
    list_editable = ["published", "pinned"]
    list_filter = ["liveblog", "published"]
    search_fields = ["body"]
