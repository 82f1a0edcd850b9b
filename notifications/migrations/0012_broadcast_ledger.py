"""Broadcasts: who was left out, what a broadcast stopped for, how it starts, and words that it went on with.

Every column is added without a rewrite: it is empty, or has a constant default.
"""

import django.db.models.deletion
from django.db import migrations, models

import notifications.rules.identity


class Migration(migrations.Migration):
    dependencies = [
        ("carillon", "0011_storage"),
    ]

    operations = [
        # A user's key as text takes up to 78 letters.
        migrations.AlterField(
            model_name="broadcast",
            name="cursor",
            field=models.CharField(blank=True, help_text="Where in its audience planning stands.", max_length=80),
        ),
        migrations.AddField(
            model_name="broadcast",
            name="failures",
            field=models.PositiveSmallIntegerField(
                db_default=0, default=0, help_text="How often in a row its next page could not be planned."
            ),
        ),
        migrations.AddField(
            model_name="broadcast",
            name="judged_from",
            field=models.JSONField(help_text="What had failed when somebody last let it go on.", null=True),
        ),
        migrations.AddField(
            model_name="broadcast",
            name="paced_from",
            field=models.DateTimeField(help_text="What rate and ramp count from.", null=True),
        ),
        migrations.AddField(
            model_name="broadcast",
            name="ramp_minutes",
            field=models.PositiveSmallIntegerField(help_text="How long it starts slowly.", null=True),
        ),
        migrations.AddField(
            model_name="broadcast",
            name="retry_at",
            field=models.DateTimeField(help_text="When that page is tried again.", null=True),
        ),
        migrations.AddField(
            model_name="broadcast",
            name="stopped_for",
            field=models.CharField(
                blank=True, db_default="", default="", help_text="Why it stopped itself.", max_length=300
            ),
        ),
        migrations.AddField(
            model_name="delivery",
            name="version",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                help_text="Empty: the notification's own.",
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="carillon.templateversion",
            ),
        ),
        migrations.AddField(
            model_name="notification",
            name="unsent_version",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                help_text="What a resumed broadcast sends from now on, instead of the version that it began with.",
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="carillon.templateversion",
            ),
        ),
        migrations.CreateModel(
            name="LeftOut",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=notifications.rules.identity.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("recipient", models.CharField(max_length=80)),
                (
                    "error",
                    models.CharField(
                        help_text="The kind of error; never its text, which may quote a value.", max_length=60
                    ),
                ),
                ("at", models.DateTimeField(auto_now_add=True)),
                (
                    "broadcast",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="left_out", to="carillon.broadcast"
                    ),
                ),
            ],
            options={
                "verbose_name": "recipient left out",
                "verbose_name_plural": "recipients left out",
                "indexes": [models.Index(fields=["recipient"], name="carillon_left_out_recipient")],
                "constraints": [
                    models.UniqueConstraint(fields=("broadcast", "recipient"), name="carillon_left_out_once")
                ],
            },
        ),
    ]
