"""Receipts are found by whose they are, for export and erasure; made while receipts come in."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("carillon", "0007_category_index"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="receipt",
            index=models.Index(
                condition=models.Q(("address_hash", ""), _negated=True),
                fields=["address_hash"],
                name="carillon_receipt_address",
            ),
        ),
    ]
