"""Retention: a category's oldest messages are found at once; made while the log is written to."""

from django.db import migrations, models

from notifications.models.partitions import AddPartitionedIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("carillon", "0006_retention"),
    ]

    operations = [
        AddPartitionedIndexConcurrently(
            model_name="notification",
            index=models.Index(fields=["category", "id"], name="carillon_ntf_category"),
        ),
    ]
