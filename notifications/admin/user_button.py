"""The "Messages" button on the host's own user admin: one click from a customer to what they were sent."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.template.loader import select_template
from django.urls import NoReverseMatch

from ..rules.identity import user_recipient
from .markup import person_url


class MessagesMixin(ModelAdmin):  # type: ignore[type-arg]
    """Adds the button to a `ModelAdmin` of the user model: `class MyUserAdmin(MessagesMixin, UserAdmin)`.

    Those see it who may look at deliveries, on an admin site that has the console. A change form template of the host's
    own stays in use: the button is put into its block `object-tools-items`.
    """

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Render the form with the button, on top of the template that it would have had."""
        response = super().render_change_form(request, context, *args, **kwargs)
        user = kwargs.get("obj")
        if user is None or user.pk is None or not request.user.has_perm("carillon.view_delivery"):
            return response
        try:
            url = person_url(user_recipient(user.pk), self.admin_site.name)
        except NoReverseMatch:
            return response
        under: Any = response.template_name  # type: ignore[attr-defined]
        parent = select_template([under] if isinstance(under, str) else list(under))
        response.context_data |= {"carillon_parent": parent.template, "carillon_messages_url": url}  # type: ignore[attr-defined]
        response.template_name = "admin/carillon/user_change_form.html"  # type: ignore[attr-defined]
        return response
