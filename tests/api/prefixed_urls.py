"""A host project that mounts everything under a prefix of its own."""

from django.urls import include, path

urlpatterns = [path("deep/down/", include("notifications.urls"))]
