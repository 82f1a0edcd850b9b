"""Indexes on the devices, which may be many: made while they are written to, hence outside of a transaction."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("carillon", "0003_consequences"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="device",
            index=models.Index(
                condition=models.Q(("is_active", False)), fields=["deactivated_at"], name="carillon_device_gone"
            ),
        ),
        AddIndexConcurrently(
            model_name="device",
            index=models.Index(
                condition=models.Q(("channel", "push"), ("is_active", True)),
                fields=["last_seen_at"],
                name="carillon_device_seen",
            ),
        ),
    ]
