"""The test kit inside Django's TestCase: real flows in one transaction, providers and time in the test's hands."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import TestCase

from notifications import Address, broadcast, notify
from notifications.enums import Channel, SuppressionCause
from notifications.exceptions import ProviderUnavailable, UnknownTemplate
from notifications.flows.devices import Registration, register
from notifications.flows.preferences import change_preferences
from notifications.flows.suppress import suppress
from notifications.models import Category, Delivery, ProviderHold
from notifications.testing import Outbox, outbox
from project.shop.models import Profile

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = [{"start": "22:00", "end": "07:00"}]


class Kit(TestCase):
    """What the tests share: Ada, with a phone, a mailbox and an Android device."""

    def setUp(self) -> None:
        self.enterContext(outbox)
        self.ada = self.person("ada")

    def person(self, name: str, phone: str = "+4915112345678") -> User:
        user = User.objects.create(username=name, email=f"{name}@example.com")
        Profile.objects.create(user=user, phone=phone, locale="en", time_zone="Europe/Berlin")
        register(user.pk, Registration(platform="android", address=f"token-of-{name}"))
        return user

    def failing(self, call: object, *arguments: object, **options: object) -> str:
        with pytest.raises(AssertionError) as caught:
            call(*arguments, **options)  # type: ignore[operator]
        return str(caught.value)


class Sending(Kit):
    def test_what_was_sent_is_found_with_its_words(self) -> None:
        notify(self.ada, "login-code", {"code": "493021"})

        sent = outbox.assert_sent_to(self.ada, channel="sms", template="login-code", times=1)

        assert "493021" in sent.text
        assert (sent.provider, sent.address, sent.attempt) == ("twilio", "+4915112345678", 1)
        outbox.assert_sent_to("+49 1511 2345678")
        outbox.assert_nothing_sent_to(self.ada, channel="email")

    def test_somebody_without_an_account(self) -> None:
        guest = Address(email="Guest@example.com")
        notify(guest, "order-shipped", {"number": "A-1", "total": 1.0, "items": []})

        assert outbox.assert_sent_to(guest).content.html
        outbox.assert_nothing_sent_to(self.ada)

    def test_what_rolls_back_is_never_sent(self) -> None:
        with transaction.atomic():
            notify(self.ada, "login-code", {"code": "493021"})
            transaction.set_rollback(True)

        outbox.assert_nothing_sent_to(self.ada)

    def test_what_waits_for_the_commit_goes_with_djangos_own_helper(self) -> None:
        def sign_up() -> None:
            transaction.on_commit(lambda: notify(self.ada, "login-code", {"code": "493021"}) and None)

        sign_up()
        said = self.failing(outbox.assert_sent_to, self.ada)
        assert "1 on_commit callback(s)" in said
        assert "captureOnCommitCallbacks(execute=True)" in said

        with self.captureOnCommitCallbacks(execute=True):
            sign_up()
        outbox.assert_sent_to(self.ada)

    def test_a_broadcast_is_planned_and_sent(self) -> None:
        bob = self.person("bob", "+4915112345679")
        broadcast("new-post", {"users": [str(self.ada.pk), str(bob.pk)]}, {"title": "Casting a bell"})

        assert len(outbox.deliver_all()) == 2

        assert outbox.assert_sent_to(bob, channel="push").content.data is not None


class WithBareSettings(TestCase):
    def test_there_is_no_guest_list_and_a_provider_for_every_channel(self) -> None:
        bare = {"RECIPIENT": {"email": "email"}, "ONLY_TO": ["nobody.example"]}
        ada = User.objects.create(username="ada", email="ada@example.com")
        with self.settings(NOTIFICATIONS=bare), outbox:
            notify(ada, "order-shipped", {"number": "A-1", "total": 1.0, "items": []})

            assert outbox.assert_sent_to(ada).provider == "test-email"


class NotSending(Kit):
    def test_a_preference(self) -> None:
        change_preferences(f"u:{self.ada.pk}", {"channels": {"push": False}})
        notify(self.ada, "new-follower", {"name": "Bob"})

        outbox.assert_suppressed(self.ada, reason="preference", channel="push")
        outbox.assert_suppressed(reason="preference")
        outbox.assert_nothing_sent_to(self.ada)

    def test_a_suppression(self) -> None:
        suppress(Channel.EMAIL, "ada@example.com", SuppressionCause.COMPLAINT, "test")
        notify(self.ada, "order-shipped", {"number": "A-1", "total": 1.0, "items": []})

        outbox.assert_suppressed(self.ada, reason="suppression", template="order-shipped")

    def test_a_code_that_is_too_old(self) -> None:
        # As often as it may be tried: a retry's delay is drawn, and may be next to nothing.
        outbox.fail_next("twilio", "unreachable", times=20)
        outbox.fail_next("email", "unreachable", times=20)
        notify(self.ada, "login-code", {"code": "493021"}, ttl=5)
        outbox.deliver_all()

        outbox.travel(timedelta(seconds=6))

        outbox.assert_suppressed(self.ada, reason="expired")


class Failing(Kit):
    def test_a_dead_token_costs_the_device(self) -> None:
        outbox.fail_next("fcm", "UNREGISTERED")
        notify(self.ada, "new-follower", {"name": "Bob"})

        said = self.failing(outbox.assert_sent_to, self.ada, channel="push")

        assert "UNREGISTERED: The app was removed or the token has expired." in said
        notify(self.ada, "new-follower", {"name": "Bob"})
        outbox.assert_suppressed(self.ada, reason="no_address")

    def test_the_next_channel_takes_over(self) -> None:
        outbox.fail_next("twilio", "21211")
        notify(self.ada, "login-code", {"code": "493021"})

        outbox.assert_sent_to(self.ada, channel="email")
        outbox.assert_nothing_sent_to(self.ada, channel="sms")

    def test_a_retry_is_due_later(self) -> None:
        outbox.fail_next("email", ProviderUnavailable)
        notify(self.ada, "order-shipped", {"number": "A-1", "total": 1.0, "items": []})
        outbox.assert_waiting(self.ada, reason="retry")
        row = Delivery.objects.get()
        assert timedelta(seconds=1.9) < row.due_at - row.updated_at <= timedelta(seconds=2)  # not by chance at once

        outbox.travel(timedelta(minutes=5))

        assert outbox.assert_sent_to(self.ada).attempt == 2

    def test_a_pause_of_the_account_is_kept_to_until_it_is_over(self) -> None:
        bob = self.person("bob", "+4915112345679")
        outbox.fail_next("fcm", "QUOTA_EXCEEDED")
        notify(self.ada, "new-follower", {"name": "Bob"})
        outbox.deliver_all()
        notify(bob, "new-follower", {"name": "Ada"})
        outbox.assert_nothing_sent_to()

        outbox.travel(timedelta(minutes=3))

        outbox.assert_sent_to(self.ada)
        outbox.assert_sent_to(bob)

    def test_an_answer_that_never_came_is_sent_again_and_marked(self) -> None:
        outbox.fail_next("fcm", "timeout")
        notify(self.ada, "new-follower", {"name": "Bob"})
        outbox.assert_nothing_sent_to(self.ada)

        outbox.travel(timedelta(minutes=1))

        sent = outbox.assert_sent_to(self.ada)
        assert Delivery.objects.get(pk=sent.delivery_id).possible_duplicate

    def test_a_hold_is_over_with_the_test(self) -> None:
        outbox.fail_next("twilio", "20003")
        notify(self.ada, "login-code", {"code": "493021"})
        outbox.deliver_all()
        assert ProviderHold.objects.filter(alias="twilio").exists()
        ProviderHold.objects.all().delete()

        outbox.__exit__(None, None, None)
        with outbox:
            notify(self.ada, "login-code", {"code": "493022"})
            outbox.assert_sent_to(self.ada, channel="sms", template="login-code")

    def test_a_mistyped_code_or_provider_names_those_that_there_are(self) -> None:
        with pytest.raises(ValueError, match="did you mean 'UNREGISTERED'"):
            outbox.fail_next("fcm", "UNREGISTRED")
        with pytest.raises(ValueError, match="did you mean 'twilio'"):
            outbox.fail_next("twillio", "21211")
        with pytest.raises(ValueError, match="did you mean 'email'"):
            outbox.assert_sent_to(self.ada, channel="emial")


class Travelling(Kit):
    def test_quiet_hours_end(self) -> None:
        change_preferences(f"u:{self.ada.pk}", {"quiet_hours": NIGHT})
        outbox.travel_to(datetime(2026, 12, 1, 23, tzinfo=BERLIN))
        notify(self.ada, "new-follower", {"name": "Bob"})
        outbox.assert_waiting(self.ada, reason="quiet_hours")
        outbox.assert_nothing_sent_to(self.ada)

        outbox.travel_to(datetime(2026, 12, 2, 7, 1, tzinfo=BERLIN))

        outbox.assert_sent_to(self.ada, channel="push")

    def test_a_digest_gathers_and_goes_out(self) -> None:
        Category.objects.filter(slug="social").update(digest="hourly")
        for name in ("Bob", "Cy", "Di"):
            notify(self.ada, "new-follower", {"name": name})
        outbox.assert_suppressed(self.ada, reason="digested")
        outbox.assert_nothing_sent_to(self.ada)

        outbox.travel(timedelta(hours=1))

        outbox.assert_sent_to(self.ada, channel="push", times=1)

    def test_a_savepoint_that_rolls_back_does_not_take_the_time_along(self) -> None:
        with transaction.atomic():
            outbox.travel(timedelta(days=1))
            transaction.set_rollback(True)
        notify(self.ada, "new-follower", {"name": "Bob"}, send_at=datetime.now(BERLIN) + timedelta(hours=1))

        outbox.assert_sent_to(self.ada)

    def test_naive_times_are_refused(self) -> None:
        with pytest.raises(ValueError, match="aware datetime"):
            outbox.travel_to(datetime(2026, 12, 1))

    def test_the_test_before_left_nothing(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('search_path'), abs(extract(epoch FROM clock_timestamp() - now()))")
            path, apart = cursor.fetchone()

        assert "time_travel" not in path
        assert apart < 3_600
        assert outbox.sent == []


class Telling(Kit):
    def test_what_was_sent_instead(self) -> None:
        bob = self.person("bob", "+4915112345679")
        notify(bob, "login-code", {"code": "493021"})

        said = self.failing(outbox.assert_sent_to, self.ada, channel="sms", template="login-code")

        assert said.startswith(f"Nothing was sent to ada (u:{self.ada.pk}) by sms with template 'login-code'.")
        assert f"login-code to u:{bob.pk} by sms (+4915112345679): sent through twilio." in said

    def test_why_it_was_not(self) -> None:
        change_preferences(f"u:{self.ada.pk}", {"channels": {"push": False}})
        notify(self.ada, "new-follower", {"name": "Bob"})

        said = self.failing(outbox.assert_sent_to, self.ada)

        assert "skipped, preference. " in said
        assert "493021" not in said

    def test_how_often(self) -> None:
        notify(self.ada, "login-code", {"code": "493021"})

        assert "Not 2 but 1 messages" in self.failing(outbox.assert_sent_to, self.ada, times=2)
        assert "1 message(s) were sent to anybody" in self.failing(outbox.assert_nothing_sent_to)

    def test_what_was_refused_and_what_nobody_met(self) -> None:
        with pytest.raises(UnknownTemplate):
            notify(self.ada, "login-cod", {"code": "493021"})
        outbox.fail_next("fcm", "UNREGISTERED")

        said = self.failing(outbox.assert_sent_to, self.ada)

        assert "Nobody was notified of anything." in said
        assert "refused: login-cod" in said
        assert "fcm has 1 failure(s) that no message met" in said


def test_an_outbox_that_is_not_open_says_how_to_open_it() -> None:
    with pytest.raises(RuntimeError, match=r"self.enterContext\(outbox\)"):
        outbox.assert_nothing_sent_to()


def test_it_cannot_be_opened_twice(carillon_outbox: Outbox) -> None:
    with pytest.raises(RuntimeError, match="open already"), carillon_outbox:
        pass


@pytest.mark.django_db
@outbox
def test_a_function_may_be_decorated() -> None:
    outbox.assert_nothing_sent_to()


@pytest.mark.django_db(transaction=True)
def test_outside_of_a_transaction_the_clock_is_given_back() -> None:
    with outbox:
        outbox.travel(timedelta(days=3))
        ahead = Delivery.objects.database_now()

    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('search_path'), to_regnamespace('carillon_time_travel')::text")
        path, schema = cursor.fetchone()
    assert ahead - Delivery.objects.database_now() > timedelta(days=2)
    assert "time_travel" not in path
    assert schema is None
