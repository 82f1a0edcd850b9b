"""API keys: what a key is for. The columns have constant defaults, so nothing is rewritten and older code goes on."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("carillon", "0012_broadcast_ledger"),
    ]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="templates",
            field=models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list),
        ),
        migrations.AddField(
            model_name="apikey",
            name="categories",
            field=models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list),
        ),
    ]
