"""Every address of Carillon: mount them all with one `include("notifications.urls")`, under any prefix."""

from django.apps import apps
from django.urls import URLPattern, URLResolver, include, path

from .checks.missing_app import MissingApp

app_name = "carillon"
urlpatterns: list[URLPattern | URLResolver] = [MissingApp()]

if apps.is_installed("notifications"):  # without the app, views cannot even be imported: a check says so instead
    from .api.problem_pages import problem_index, problem_page
    from .preference_page import preference_page
    from .unsubscribe import unsubscribe_page
    from .webhooks import webhook

    urlpatterns = [
        path("api/v1/", include("notifications.api.urls")),
        path("webhooks/<str:alias>/", webhook, name="webhook"),
        path("unsubscribe/<str:token>/", unsubscribe_page, name="unsubscribe"),
        path("preferences/<str:token>/", preference_page, name="preferences"),
        path("problems/", problem_index, name="problems"),
        path("problems/<slug:slug>/", problem_page, name="problem"),
    ]
