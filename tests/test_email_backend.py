"""Django's own mail through Carillon: what it carries goes out, what it does not is never sent in part."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.forms import PasswordResetForm
from django.contrib.auth.models import User
from django.core import mail
from django.core.mail import EmailMessage, EmailMultiAlternatives, send_mail
from django.db import transaction
from django.test import RequestFactory
from django.urls import include, path

from notifications import Address
from notifications.email_backend import EmailBackend, UnsupportedMail
from notifications.exceptions import UnknownRecipient
from notifications.models import Notification
from notifications.testing import Outbox
from notifications.testing.plugin import carillon_outbox as carillon_outbox

urlpatterns = [path("accounts/", include("django.contrib.auth.urls"))]
FROM = "Bell Shop <shop@example.com>"


class Otherwise(EmailBackend):
    """What Carillon does not carry goes to Django's outbox of tests."""

    otherwise = "django.core.mail.backends.locmem.EmailBackend"


@pytest.fixture(autouse=True)
def routed(settings: Any) -> None:
    settings.EMAIL_BACKEND = "notifications.email_backend.EmailBackend"
    settings.DEFAULT_FROM_EMAIL = FROM


def test_a_mail_goes_out_to_each_address(carillon_outbox: Outbox) -> None:
    assert send_mail("Hello", "Dear all,\n\n<b>", None, ["Ada <ada@example.com>", "bob@example.com"]) == 1

    sent = carillon_outbox.assert_sent_to(Address(email="ada@example.com"), template="carillon-mail", times=1)
    assert (sent.content.subject, sent.content.text.strip(), sent.content.html) == ("Hello", "Dear all,\n\n<b>", "")
    carillon_outbox.assert_sent_to("bob@example.com")


@pytest.mark.urls(__name__)
def test_a_new_password_is_asked_for(carillon_outbox: Outbox, rf: RequestFactory) -> None:
    User.objects.create_user("ada", "ada@example.com", "old-password-1")
    form = PasswordResetForm({"email": "ada@example.com"})
    assert form.is_valid()
    email = {"email_template_name": "registration/password_reset_email.html"}

    form.save(request=rf.get("/"), domain_override="shop.example", **email)

    sent = carillon_outbox.assert_sent_to("ada@example.com")
    assert "/reset/" in sent.text
    kept = Notification.objects.get(template="carillon-mail")
    assert "/reset/" not in str(kept.data)
    assert kept.secrets is not None
    carillon_outbox.travel(timedelta(days=1))
    carillon_outbox.deliver_all()
    kept.refresh_from_db()
    assert kept.secrets is None


def test_it_joins_the_callers_transaction(carillon_outbox: Outbox) -> None:
    with transaction.atomic():
        send_mail("Hello", "Text", None, ["ada@example.com"])
        transaction.set_rollback(True)

    carillon_outbox.assert_nothing_sent_to()


def unusual(**changes: Any) -> EmailMessage:
    return EmailMessage("Hello", "Text", to=["ada@example.com"], **changes)


def with_html() -> EmailMessage:
    message = EmailMultiAlternatives("Hello", "Text", to=["ada@example.com"])
    message.attach_alternative("<p>Text</p>", "text/html")
    return message


UNUSUAL = {
    "attachments": lambda: unusual(attachments=[("a.txt", "a", "text/plain")]),
    "an HTML part": with_html,
    "cc or bcc": lambda: unusual(bcc=["bob@example.com"]),
    "reply_to": lambda: unusual(reply_to=["bob@example.com"]),
    "headers": lambda: unusual(headers={"X-Shop": "1"}),
    "a sender": lambda: unusual(from_email="other@example.com"),
}


@pytest.mark.parametrize("what", UNUSUAL)
def test_what_it_does_not_carry_is_refused_whole(carillon_outbox: Outbox, what: str) -> None:
    with pytest.raises(UnsupportedMail, match=what):
        EmailBackend().send_messages([unusual(), UNUSUAL[what]()])

    carillon_outbox.assert_nothing_sent_to()


def test_or_goes_to_the_backend_that_a_subclass_names(carillon_outbox: Outbox, mailoutbox: list[EmailMessage]) -> None:
    assert Otherwise().send_messages([unusual(), with_html()]) == 2

    carillon_outbox.assert_sent_to("ada@example.com", times=1)
    assert [message.alternatives for message in mail.outbox if isinstance(message, EmailMultiAlternatives)]


def test_no_mailbox_is_an_error_unless_silence_was_asked_for(carillon_outbox: Outbox) -> None:
    both = [EmailMessage("Hello", "Text", to=["nobody"]), unusual()]

    with pytest.raises(UnknownRecipient):
        EmailBackend().send_messages(both)
    carillon_outbox.assert_nothing_sent_to()

    assert EmailBackend(fail_silently=True).send_messages(both) == 1
    carillon_outbox.assert_sent_to("ada@example.com", times=1)
