"""Retention: what a broadcast came to outlives its deliveries, and a category's oldest messages are found at once.

The index is on a partitioned table, where PostgreSQL makes none concurrently: writes to the log wait for it meanwhile.
"""

import datetime

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("carillon", "0005_digests"),
    ]

    operations = [
        migrations.AddField(
            model_name="broadcast",
            name="outcome",
            field=models.JSONField(
                help_text="Its template and counts as they were when its deliveries began to be deleted.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="category",
            name="retention",
            field=models.DurationField(
                blank=True,
                help_text="How long its messages are kept once they are over; empty: for ever.",
                null=True,
                validators=[django.core.validators.MinValueValidator(datetime.timedelta(days=7))],
            ),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(fields=["category", "id"], name="carillon_ntf_category"),
        ),
    ]
