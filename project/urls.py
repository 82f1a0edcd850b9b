"""URLs of the project: the admin, to which the root leads, the probes, and the app."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from notifications import probes

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("healthz", probes.healthz, name="healthz"),
    path("readyz", probes.readyz, name="readyz"),
    path("metrics", probes.metrics, name="metrics"),
    path("", include("notifications.urls")),
]
