"""django-post_office, sending through anymail's Postmark backend to the sink, with more threads than its default."""

from __future__ import annotations

import os

from project.settings import *  # noqa: F403 - database, apps and middleware are the project's
from project.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "post_office", "anymail"]
EMAIL_BACKEND = "post_office.EmailBackend"
POST_OFFICE = {
    "BACKENDS": {"default": "anymail.backends.postmark.EmailBackend"},
    "BATCH_SIZE": 1_000,
    "THREADS_PER_PROCESS": 16,
    "LOG_LEVEL": 1,
}
ANYMAIL = {
    "POSTMARK_SERVER_TOKEN": "sink",
    "POSTMARK_API_URL": os.environ.get("SINK_MAIL_URL", "http://127.0.0.1:1") + "/postmark/",
}
