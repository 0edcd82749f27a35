from django.contrib import admin

from .models import Liveblog, Post


@admin.register(Liveblog)
class LiveblogAdmin(admin.ModelAdmin):
    list_display = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}


@admin.register(Post)
class PostAdmin(admin.ModelAdmin):
    list_display = ["__str__", "liveblog", "published", "created"]
    list_editable = ["published"]
    list_filter = ["liveblog", "published"]
    search_fields = ["body"]
