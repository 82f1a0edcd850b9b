"""Every address of Carillon: mount them all with one `include("notifications.urls")`, under any prefix."""

from django.urls import include, path

from .api.problem_pages import problem_index, problem_page
from .webhooks import webhook

app_name = "carillon"
urlpatterns = [
    path("api/v1/", include("notifications.api.urls")),
    path("webhooks/<str:alias>/", webhook, name="webhook"),
    path("problems/", problem_index, name="problems"),
    path("problems/<slug:slug>/", problem_page, name="problem"),
]
