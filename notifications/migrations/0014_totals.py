"""Totals for counters that only rise; they begin at nothing, as a counter may."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("carillon", "0013_api_key_grants"),
    ]

    operations = [
        migrations.CreateModel(
            name="Total",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("channel", models.CharField(max_length=8)),
                ("provider", models.CharField(blank=True, max_length=63)),
                ("state", models.CharField(help_text="What is sending counts as pending.", max_length=12)),
                ("reason", models.CharField(blank=True, max_length=20)),
                (
                    "lag",
                    models.SmallIntegerField(
                        help_text="2 log2 of the milliseconds until it was sent; -1 if it was not."
                    ),
                ),
                ("moved", models.BigIntegerField()),
            ],
            options={
                "verbose_name": "total",
                "verbose_name_plural": "totals",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("channel", "provider", "state", "reason", "lag"), name="carillon_total_once"
                    )
                ],
            },
        ),
    ]
