"""The WSGI entry point: `project.wsgi:application`. DATABASE_URL and REDIS_URL must be set."""

import os

from django.core.wsgi import get_wsgi_application

from .environment import require_services

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
require_services()
application = get_wsgi_application()
