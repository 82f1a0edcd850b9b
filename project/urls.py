"""URLs of the project: the admin, the probes, and the app at the root."""

from importlib.util import find_spec

from django.contrib import admin
from django.urls import include, path

from . import health

urlpatterns = [
    path("admin/", admin.site.urls),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
if find_spec("notifications.urls"):  # TEMPORARY until the app has its URLs
    urlpatterns.append(path("", include("notifications.urls")))
