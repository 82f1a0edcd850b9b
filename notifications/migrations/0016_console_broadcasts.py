"""What a broadcast's page shows: how many people were counted at its launch, and what failed without reading the rest.

The column is empty, so nothing is rewritten; the index is made while the log is written to.
"""

from django.db import migrations, models

from notifications.models.partitions import AddPartitionedIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("carillon", "0015_people"),
    ]

    operations = [
        migrations.AddField(
            model_name="broadcast",
            name="expected",
            field=models.PositiveIntegerField(help_text="How many people were counted when it was launched.", null=True),
        ),
        AddPartitionedIndexConcurrently(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state__in", ["bounced", "complained", "failed", "dead"])),
                fields=["notification"],
                name="carillon_dlv_broken",
            ),
        ),
    ]
