"""The console's lists of one rare state: an index that holds nothing of what went well.

Made while the log is written to; what is sent and arrives has no entry in it.
"""

from django.db import migrations, models

from notifications.models.partitions import AddPartitionedIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("carillon", "0018_clients"),
    ]

    operations = [
        AddPartitionedIndexConcurrently(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state__in", ["bounced", "complained", "failed", "dead", "expired", "cancelled"])),
                fields=["id"],
                name="carillon_dlv_rare",
            ),
        ),
    ]
