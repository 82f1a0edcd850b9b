"""Storage settings of the partitions that are there: short locks that neither readers nor writers notice."""

from django.db import migrations

from notifications.models.storage import SetPartitionStorage


class Migration(migrations.Migration):
    # Each partition by itself: no lock is kept while another one is waited for.
    atomic = False

    dependencies = [
        ("carillon", "0010_parked_index"),
    ]

    operations = [SetPartitionStorage()]
