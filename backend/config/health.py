"""`/healthz`: whether this process answers. `/readyz`: whether it can do its work. For load balancers, containers and
people."""

from dataclasses import asdict

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.deprecation import MiddlewareMixin

from channels_databinding.readiness import readiness

NO_STORE = {"Cache-Control": "no-store"}


class HealthMiddleware(MiddlewareMixin):
    """Answers before all other middleware: who asks does it by the machine's address and without TLS, which
    ALLOWED_HOSTS and the redirect to https would turn away."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        if request.method not in ("GET", "HEAD"):
            return None
        if request.path_info == "/healthz":  # no database here: nobody is helped by a restart while it is away
            return HttpResponse("ok\n", content_type="text/plain", headers=NO_STORE)
        if request.path_info == "/readyz":
            found = readiness()
            payload = {"ready": found.ready, **asdict(found)}
            return JsonResponse(payload, status=200 if found.ready else 503, headers=NO_STORE)
        return None
