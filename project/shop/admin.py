"""The shop's customers in the admin, with a button to their messages."""

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin

from notifications.admin.user_button import MessagesMixin


class CustomerAdmin(MessagesMixin, UserAdmin):  # type: ignore[type-arg]
    """Django's own page of a user, with the button."""


admin.site.unregister(get_user_model())
admin.site.register(get_user_model(), CustomerAdmin)
