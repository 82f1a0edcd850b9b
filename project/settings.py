"""Settings of the deployable project. Everything that differs between machines comes from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from django.utils.translation import gettext_lazy as _

from .embedded_home import Home
from .environment import BASE_DIR, env

# --- Security -------------------------------------------------------------------------------------------------------
# Off, except in a bare checkout: an environment that names no database and no key is a developer's.
_bare = not env.str("DATABASE_URL", "") and not env.str("DJANGO_SECRET_KEY", "")
DEBUG = env.bool("DJANGO_DEBUG", _bare)
# Only a debugging machine gets a key for nothing; anywhere else its absence stops the start.
SECRET_KEY = env.str("DJANGO_SECRET_KEY", "only-for-this-machine") if DEBUG else env.str("DJANGO_SECRET_KEY")
SECRET_KEY_FALLBACKS: list[str] = env.list("DJANGO_SECRET_KEY_FALLBACKS", [])
PUBLIC_URL = env.str("CARILLON_PUBLIC_URL", "http://127.0.0.1:8000")
_public = urlsplit(PUBLIC_URL)
_https = _public.scheme == "https"
ALLOWED_HOSTS: list[str] = env.list(
    "DJANGO_ALLOWED_HOSTS", [*filter(None, [_public.hostname]), "localhost", "127.0.0.1", "[::1]"]
)
CSRF_TRUSTED_ORIGINS: list[str] = env.list("DJANGO_CSRF_TRUSTED_ORIGINS", [f"{_public.scheme}://{_public.netloc}"])
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SESSION_COOKIE_HTTPONLY = True
SECURE_SSL_REDIRECT = env.bool("DJANGO_SSL_REDIRECT", _https)
# Probes come from inside, over plain HTTP.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = env.int("DJANGO_HSTS_SECONDS", 31_536_000 if _https else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = env.bool("DJANGO_HSTS_SUBDOMAINS", _https)
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Set it only behind a proxy that always overwrites this header; a client could forge it otherwise.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("DJANGO_BEHIND_PROXY", False) else None
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024  # a batch of 1,000 notifications

# --- Applications ---------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "django_rq",
    "notifications.apps.NotificationsConfig",
    "project.shop.apps.ShopConfig",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# --- PostgreSQL and Redis: unset means this checkout's own, which manage.py and the suite start ---------------------
_home = Home.of()
DATABASES: dict[str, Any] = {
    "default": {
        **dj_database_url.parse(
            env.str("DATABASE_URL", "") or _home.database_url,
            conn_max_age=env.int("DJANGO_CONN_MAX_AGE", 60),
            conn_health_checks=True,  # a restart of PostgreSQL costs no request
        ),
        # A pooler that gives each transaction another connection cannot keep a cursor between two.
        "DISABLE_SERVER_SIDE_CURSORS": env.bool("DJANGO_DISABLE_SERVER_SIDE_CURSORS", False),
    }
}
# Added, not set: what the URL says (sslmode, ...) stays and wins.
DATABASES["default"]["OPTIONS"] = {
    "connect_timeout": 5,  # a request answers 503 rather than hang
    # A server that vanished without a word is noticed within half a minute, not after the system's two hours.
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "application_name": "carillon",
    # No statement_timeout here: migrations share this connection. Workers set theirs, what else needs one does locally.
    **DATABASES["default"].get("OPTIONS", {}),
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL: str = env.str("REDIS_URL", "") or _home.redis_url
# A channel may have a Redis of its own; then run one worker command for each Redis.
RQ_QUEUES = {
    channel: {"URL": env.str(f"{channel.upper()}_REDIS_URL", "") or REDIS_URL, "DEFAULT_TIMEOUT": 180}
    for channel in ("push", "sms", "email")
}
RQ = {
    # It brings the JSON serializer with it: rqworker ignores a queue's own SERIALIZER.
    "WORKER_CLASS": "notifications.workers.ChannelWorker",
}
# django-rq's pages let any staff user empty the queues; its URLs stay out of project/urls.py too.
RQ_SHOW_ADMIN_LINK = False

# --- Carillon -------------------------------------------------------------------------------------------------------
_accounts: dict[str, dict[str, Any]] = {
    "fcm": {
        "BACKEND": "notifications.providers.fcm.FCMAdapter",
        "OPTIONS": {
            "service_account_file": env.str("FCM_SERVICE_ACCOUNT_FILE", ""),
            "base_url": env.str("FCM_BASE_URL", "") or None,
        },
    },
    "apns": {
        "BACKEND": "notifications.providers.apns.APNsAdapter",
        "OPTIONS": {
            "key_file": env.str("APNS_KEY_FILE", ""),
            "key_id": env.str("APNS_KEY_ID", ""),
            "team_id": env.str("APNS_TEAM_ID", ""),
            "topic": env.str("APNS_TOPIC", ""),
            "ca_file": env.str("APNS_CA_FILE", "") or None,
            "base_url": env.str("APNS_BASE_URL", "") or None,
        },
    },
    "twilio": {
        "BACKEND": "notifications.providers.twilio.TwilioAdapter",
        "OPTIONS": {
            "account_sid": env.str("TWILIO_ACCOUNT_SID", ""),
            "auth_token": env.str("TWILIO_AUTH_TOKEN", ""),
            "from_number": env.str("TWILIO_FROM_NUMBER", ""),
            "base_url": env.str("TWILIO_BASE_URL", "") or None,
        },
    },
    "vonage": {
        "BACKEND": "notifications.providers.vonage.VonageAdapter",
        "OPTIONS": {
            "api_key": env.str("VONAGE_API_KEY", ""),
            "api_secret": env.str("VONAGE_API_SECRET", ""),
            "from_number": env.str("VONAGE_FROM", ""),
            "signature_secret": env.str("VONAGE_SIGNATURE_SECRET", "") or None,
            "base_url": env.str("VONAGE_BASE_URL", "") or None,
        },
    },
    "email": {
        "BACKEND": "notifications.providers.anymail.AnymailAdapter",
        "OPTIONS": {
            "esp": "postmark",
            "from_email": env.str("DEFAULT_FROM_EMAIL", "Carillon <carillon@localhost>"),
            "esp_options": {"server_token": env.str("POSTMARK_SERVER_TOKEN", "")},
            "webhook_secret": env.str("POSTMARK_WEBHOOK_SECRET", "") or None,
            "base_url": env.str("POSTMARK_BASE_URL", "") or None,
        },
    },
    "resend": {
        "BACKEND": "notifications.providers.anymail.AnymailAdapter",
        "OPTIONS": {
            "esp": "resend",
            "from_email": env.str("DEFAULT_FROM_EMAIL", "Carillon <carillon@localhost>"),
            "esp_options": {"api_key": env.str("RESEND_API_KEY", "")},
            "webhook_secret": env.str("RESEND_WEBHOOK_SECRET", "") or None,
            "base_url": env.str("RESEND_BASE_URL", "") or None,
        },
    },
    "smtp": {
        "BACKEND": "notifications.providers.smtp.SMTPAdapter",
        "OPTIONS": {
            "url": env.str("SMTP_URL", ""),
            "from_email": env.str("DEFAULT_FROM_EMAIL", "Carillon <carillon@localhost>"),
            "ca_file": env.str("SMTP_CA_FILE", "") or None,
        },
    },
}
# The variable that says that there is an account at all. A provider without one is left out, and its route with it.
_credentials = {
    "fcm": "FCM_SERVICE_ACCOUNT_FILE",
    "apns": "APNS_KEY_FILE",
    "twilio": "TWILIO_ACCOUNT_SID",
    "vonage": "VONAGE_API_KEY",
    "email": "POSTMARK_SERVER_TOKEN",
    "resend": "RESEND_API_KEY",
    "smtp": "SMTP_URL",
}
_configured = [alias for alias, variable in _credentials.items() if env.str(variable, "")]
_routes = {"push": ["fcm", "apns"], "sms": ["twilio", "vonage"], "email": ["email", "resend", "smtp"]}
NOTIFICATIONS: dict[str, Any] = {
    "PROVIDERS": {
        alias: {
            "BACKEND": _accounts[alias]["BACKEND"],
            "OPTIONS": {name: value for name, value in _accounts[alias]["OPTIONS"].items() if value is not None},
        }
        for alias in _configured
    },
    "ROUTES": {
        channel: [alias for alias in aliases if alias in _configured]
        for channel, aliases in _routes.items()
        if any(alias in _configured for alias in aliases)
    },
    "RECIPIENT": {
        "lookup": "pk",
        "email": "email",
        "sms": "profile__phone",
        "locale": "profile__locale",
        "time_zone": "profile__time_zone",
    },
    "PUBLIC_URL": PUBLIC_URL,
    # Empty or unset: everybody. Anything else: only these addresses and domains, as on a test server.
    "ONLY_TO": env.list("CARILLON_ONLY_TO", []) or None,
    # Empty or unset: no limit.
    "ABUSE": {
        "sms_countries": env.list("CARILLON_SMS_COUNTRIES", []) or None,
        "sms_per_prefix": env.str("CARILLON_SMS_PER_PREFIX", "") or None,
        "codes_per_recipient": env.str("CARILLON_CODES_PER_RECIPIENT", "") or None,
        "link_hosts": env.list("CARILLON_LINK_HOSTS", []) or None,
    },
    # Unset: no metrics over HTTP.
    "METRICS_TOKEN": env.str("CARILLON_METRICS_TOKEN", "") or None,
    # The providers, of those configured, that are sandboxes: what a test key sends goes to no others.
    "SANDBOX": env.list("CARILLON_SANDBOX", []),
    # Such as 600/minute; empty or unset: no limit.
    "API": {"rate": env.str("CARILLON_API_RATE", "") or None},
}
if env.list("CARILLON_ENCRYPTION_KEYS", []):
    NOTIFICATIONS["ENCRYPTION_KEYS"] = env.list("CARILLON_ENCRYPTION_KEYS")
DEFAULT_FROM_EMAIL: str = _accounts["email"]["OPTIONS"]["from_email"]
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        *(["rest_framework.renderers.BrowsableAPIRenderer"] if DEBUG else []),
    ],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
}

# --- Languages and time ---------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("de", _("German")), ("ar", _("Arabic"))]
LOCALE_PATHS: list[Path] = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- Files ----------------------------------------------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("DJANGO_STATIC_ROOT", "") or BASE_DIR / "build" / "static")
# The manifest needs `collectstatic` first, which nobody should have to run to develop or to test.
_static = "whitenoise.storage.CompressedManifestStaticFilesStorage" if not DEBUG else None
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": _static or "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = DEBUG

# --- Logging: one line an event on stderr, for whoever collects it; addresses and tokens are masked in all of them ---
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "notifications.logs.MaskingFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s pid=%(process)d %(message)s",
        },
        "json": {"()": "notifications.logs.JSONFormatter"},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": env.str("DJANGO_LOG_FORMAT", "line" if DEBUG else "json"),
        },
    },
    "root": {"handlers": ["stderr"], "level": env.str("DJANGO_LOG_LEVEL", "INFO")},
    "loggers": {"django.server": {"handlers": ["stderr"], "level": "INFO", "propagate": False}},
}
