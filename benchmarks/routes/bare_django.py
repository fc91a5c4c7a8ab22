"""A route that asks nobody, on Django."""

from common import NOBODY, announce, signed_in
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django_project import project, routes

project(__name__)


def me(_: HttpRequest) -> JsonResponse:
    return JsonResponse({"id": NOBODY})


urlpatterns = routes(me)
app = get_wsgi_application()
announce(signed_in())
