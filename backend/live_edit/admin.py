from django.contrib import admin

from .models import IntegerValue, Task


@admin.register(IntegerValue)
class IntegerValueAdmin(admin.ModelAdmin):
    list_display = ["name", "value"]
    list_editable = ["value"]


@admin.register(Task)
class TaskAdmin(admin.ModelAdmin):
    list_display = ["title", "owner", "status", "due"]
    list_filter = ["status", "owner"]
    search_fields = ["title", "notes"]
