"""Retention: what a broadcast came to outlives its deliveries."""

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
    ]
