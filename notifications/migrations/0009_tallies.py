"""Tallies: what moved is counted with the change itself. Broadcasts of before are counted until the sweeper tallies them.

The new column has a constant default in the database, which rewrites nothing and lets the release before this one go on
inserting; what it inserts is counted too, row by row.
"""

import datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("carillon", "0008_receipt_address"),
    ]

    operations = [
        migrations.AddField(
            model_name="broadcast",
            name="tallied",
            field=models.BooleanField(
                db_default=False,
                default=True,
                help_text="Whether its tallies tell its counts; else its rows are counted.",
            ),
        ),
        migrations.CreateModel(
            name="BroadcastTally",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("notification_id", models.UUIDField()),
                ("slot", models.DateTimeField()),
                ("state", models.CharField(max_length=12)),
                (
                    "held",
                    models.BigIntegerField(help_text="How many more deliveries are in the state; may be negative."),
                ),
                ("sent", models.BigIntegerField()),
                ("delivered", models.BigIntegerField()),
            ],
            options={
                "verbose_name": "tally of a broadcast",
                "verbose_name_plural": "tallies of broadcasts",
                "indexes": [
                    models.Index(
                        condition=models.Q(
                            ("slot__gt", datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))
                        ),
                        fields=["slot"],
                        name="carillon_broadcasttally_slot",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("notification_id", "slot", "state"), name="carillon_broadcasttally_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Tally",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("slot", models.DateTimeField(help_text="When, to ten seconds.")),
                ("notification_id", models.UUIDField(help_text="Of a broadcast; else empty.", null=True)),
                ("channel", models.CharField(max_length=8)),
                ("provider", models.CharField(blank=True, max_length=63)),
                ("category", models.CharField(blank=True, max_length=63)),
                ("was", models.CharField(blank=True, help_text="Empty: newly planned.", max_length=12)),
                ("state", models.CharField(help_text="What is sending counts as pending.", max_length=12)),
                ("reason", models.CharField(blank=True, max_length=20)),
                (
                    "lag",
                    models.SmallIntegerField(
                        help_text="2 log2 of the milliseconds until it was sent; -1 if it was not."
                    ),
                ),
                ("moved", models.IntegerField()),
                ("sent", models.IntegerField(help_text="How many more were ever taken by a provider.")),
                ("delivered", models.IntegerField(help_text="How many more ever arrived.")),
            ],
            options={
                "verbose_name": "tally",
                "verbose_name_plural": "tallies",
                "indexes": [
                    models.Index(
                        condition=models.Q(("notification_id__isnull", False)),
                        fields=["notification_id"],
                        name="carillon_tally_broadcast",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Traffic",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("begins", models.DateTimeField()),
                ("seconds", models.SmallIntegerField(help_text="60, or 3600 where its minutes became an hour.")),
                ("channel", models.CharField(max_length=8)),
                ("provider", models.CharField(blank=True, max_length=63)),
                ("category", models.CharField(blank=True, max_length=63)),
                ("was", models.CharField(blank=True, max_length=12)),
                ("state", models.CharField(max_length=12)),
                ("reason", models.CharField(blank=True, max_length=20)),
                ("lag", models.SmallIntegerField()),
                ("moved", models.BigIntegerField()),
            ],
            options={
                "verbose_name": "traffic",
                "verbose_name_plural": "traffic",
                "indexes": [
                    models.Index(
                        condition=models.Q(("seconds", 60)), fields=["begins"], name="carillon_traffic_minutes"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=(
                            "begins",
                            "seconds",
                            "channel",
                            "provider",
                            "category",
                            "was",
                            "state",
                            "reason",
                            "lag",
                        ),
                        name="carillon_traffic_once",
                    )
                ],
            },
        ),
    ]
