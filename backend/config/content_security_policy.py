"""Tells browsers to load nothing, and connect to nothing, outside this site."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

# 'self' covers WebSockets to the same origin. Alpine's CSP build needs no 'unsafe-eval'.
POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"


class ContentSecurityPolicyMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        # Django's own error pages, shown in development only, carry their style and script inside the page.
        if not (settings.DEBUG and response.status_code >= 400):
            response.headers.setdefault("Content-Security-Policy", POLICY)
        return response
