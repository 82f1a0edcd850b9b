"""The addresses of the API, under `api/v1/`."""

from django.urls import path, re_path

from . import batch, broadcasts, document, estimates, notifications, receipts, topics, users
from .base import NothingHere

urlpatterns = [
    path("notifications/", notifications.Notifications.as_view(), name="notifications"),
    path("notifications/batch/", batch.NotificationBatch.as_view(), name="notification-batch"),
    path("notifications/<uuid:notification>/", notifications.OneNotification.as_view(), name="notification"),
    path(
        "notifications/<uuid:notification>/cancel/",
        notifications.CancelNotification.as_view(),
        name="notification-cancel",
    ),
    path(
        "notifications/<uuid:notification>/deliveries/",
        notifications.NotificationDeliveries.as_view(),
        name="notification-deliveries",
    ),
    path("broadcasts/", broadcasts.Broadcasts.as_view(), name="broadcasts"),
    path("broadcasts/estimate/", estimates.Estimates.as_view(), name="estimate"),
    path("broadcasts/<uuid:broadcast>/", broadcasts.OneBroadcast.as_view(), name="broadcast"),
    path(
        "broadcasts/<uuid:broadcast>/deliveries/",
        broadcasts.BroadcastDeliveries.as_view(),
        name="broadcast-deliveries",
    ),
    path("broadcasts/<uuid:broadcast>/left-out/", broadcasts.BroadcastLeftOut.as_view(), name="broadcast-left-out"),
    path("broadcasts/<uuid:broadcast>/preview/", broadcasts.BroadcastPreview.as_view(), name="broadcast-preview"),
    *(
        path(
            f"broadcasts/<uuid:broadcast>/{action}/",
            broadcasts.ControlBroadcast.as_view(),
            {"action": action},
            name=f"broadcast-{action}",
        )
        for action in ("launch", "pause", "resume", "cancel", "retry")
    ),
    path("receipts/<str:token>/", receipts.ClientReceipts.as_view(), name="client-receipt"),
    path("topics/", topics.Topics.as_view(), name="topics"),
    path("topics/<slug:slug>/", topics.OneTopic.as_view(), name="topic"),
    path("topics/<slug:slug>/subscribers/", topics.Subscribers.as_view(), name="subscribers"),
    path("topics/<slug:slug>/subscribers/remove/", topics.RemoveSubscribers.as_view(), name="subscribers-remove"),
    path("users/<str:user>/", users.OneUser.as_view(), name="user"),
    path("users/<str:user>/devices/", users.Devices.as_view(), name="devices"),
    path("users/<str:user>/devices/<uuid:device>/", users.OneDevice.as_view(), name="device"),
    path("users/<str:user>/preferences/", users.Preferences.as_view(), name="preferences"),
    path("users/<str:user>/export/", users.Export.as_view(), name="export"),
    path("schema/", document.Document.as_view(), name="schema"),
    path("docs/", document.DocsPage.as_view(), name="docs"),
    re_path(r"^[\s\S]*\Z", NothingHere.as_view(), name="nothing-here"),
]
