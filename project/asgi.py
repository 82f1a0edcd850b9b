"""The ASGI entry point: `project.asgi:application`. DATABASE_URL and REDIS_URL must be set."""

import os

from django.core.asgi import get_asgi_application

from .environment import require_services

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
require_services()
application = get_asgi_application()
