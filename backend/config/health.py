"""`/healthz`: whether this process answers, and its database too. For load balancers, containers and people."""

import logging

from django.db import Error, connection
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

logger = logging.getLogger(__name__)


class HealthMiddleware(MiddlewareMixin):
    """Answers before all other middleware: who asks does it by the machine's address and without TLS, which
    ALLOWED_HOSTS and the redirect to https would turn away."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        if request.path_info != "/healthz" or request.method not in ("GET", "HEAD"):
            return None
        text, status = "ok\n", 200
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except Error:  # its text may hold names and paths: it is the log's
            logger.exception("The database does not answer.")
            text, status = "The database does not answer: the log says why.\n", 503
        return HttpResponse(text, status=status, content_type="text/plain", headers={"Cache-Control": "no-store"})
