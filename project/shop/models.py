"""What the shop knows of its customers beyond Django's user."""

from django.conf import settings
from django.db import models


class Profile(models.Model):
    """A customer's phone number, language and time zone."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="profile")
    phone = models.CharField(max_length=20, blank=True)
    locale = models.CharField(max_length=16, blank=True)
    time_zone = models.CharField(max_length=64, blank=True)

    def __str__(self) -> str:
        return str(self.user)


class Follow(models.Model):
    """Somebody who follows an author."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="follows")
    author_id = models.PositiveIntegerField(db_index=True)

    def __str__(self) -> str:
        return f"{self.user_id} follows {self.author_id}"
