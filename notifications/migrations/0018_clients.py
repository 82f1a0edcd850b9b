"""Clients take turns: a number on each delivery for whose request it is, and the index that finds each one's first.

The column is empty, so nothing is rewritten; the index is made while the log is written to. What waits already has no
number and goes by age, as before.
"""

from django.db import migrations, models

from notifications.models.partitions import AddPartitionedIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("carillon", "0017_operators_pages"),
    ]

    operations = [
        migrations.AddField(
            model_name="delivery",
            name="client",
            field=models.IntegerField(
                help_text="A number for whose request it is: clients take turns. Empty: a broadcast's.", null=True
            ),
        ),
        AddPartitionedIndexConcurrently(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("client__isnull", False), ("state", "pending")),
                fields=["channel", "lane", "client", "due_at"],
                name="carillon_dlv_client",
            ),
        ),
    ]
