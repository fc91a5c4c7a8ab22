"""torii-dynamodb: `login_required` and `request.user`, on Django."""

from blocking import SECRET, STORAGE, WEB, seed
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django_project import project, routes

from torii_dynamodb.django import services
from torii_dynamodb.django.decorators import login_required

project(
    __name__,
    "torii_dynamodb.django.middleware.ToriiMiddleware",
    INSTALLED_APPS=["torii_dynamodb.django"],
    TORII={"STORAGE": STORAGE, "SECRET": SECRET, "WEB": WEB},
)


@login_required
def me(request) -> JsonResponse:
    return JsonResponse({"id": request.user.id})


urlpatterns = routes(me)
app = get_wsgi_application()
seed(services())
