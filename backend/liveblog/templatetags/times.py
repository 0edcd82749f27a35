"""Times as frontend/liveblog.ts writes them, but in the server's time zone: only a browser knows its reader's."""

from django import template
from django.utils import timezone
from django.utils.dateparse import parse_datetime

register = template.Library()


@register.filter
def time_of_post(created):
    """`14:05` for today, `24 Nov 2026, 14:05` for another day."""
    time = timezone.localtime(parse_datetime(created))
    if time.date() == timezone.localdate():
        return f"{time:%H:%M}"
    return f"{time.day} {time:%b %Y, %H:%M}"
