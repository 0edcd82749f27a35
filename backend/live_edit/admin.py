from django.contrib import admin

from .models import IntegerValue


@admin.register(IntegerValue)
class IntegerValueAdmin(admin.ModelAdmin):
    list_display = ["name", "value"]
    list_editable = ["value"]
