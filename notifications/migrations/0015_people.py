"""Support: who may send a message again, and devices by the end of their token; the index is made beside writes."""

import django.db.models.functions.text
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("carillon", "0014_totals"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="person",
            options={
                "default_permissions": (),
                "permissions": [("resend", "Can send one person's message again")],
                "verbose_name": "person or message",
                "verbose_name_plural": "find a person or message",
            },
        ),
        AddIndexConcurrently(
            model_name="device",
            index=models.Index(
                django.db.models.functions.text.Right("address", 6),
                condition=models.Q(("channel", "push")),
                name="carillon_device_ending",
            ),
        ),
    ]
