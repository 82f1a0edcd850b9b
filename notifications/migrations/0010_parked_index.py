"""What a pause parked is found without reading all that waits; made while the log is written to."""

from django.db import migrations, models

from notifications.models.partitions import AddPartitionedIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("carillon", "0009_tallies"),
    ]

    operations = [
        AddPartitionedIndexConcurrently(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("reason", "paused"), ("state", "pending")),
                fields=["notification"],
                name="carillon_dlv_parked",
            ),
        ),
    ]
