"""Pauses of channels, and the pages of operators with their permissions."""

from django.db import migrations, models

class Migration(migrations.Migration):

    dependencies = [
        ('carillon', '0016_console_broadcasts'),
    ]

    operations = [
        migrations.CreateModel(
            name='ChannelPause',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('channel', models.CharField(choices=[('push', 'Push'), ('sms', 'SMS'), ('email', 'Email')], max_length=8, unique=True)),
                ('until', models.DateTimeField()),
                ('reason', models.CharField(max_length=300)),
                ('paused_by', models.CharField(blank=True, max_length=150)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'verbose_name': 'pause of a channel',
                'verbose_name_plural': 'pauses of channels',
                'default_permissions': ('add', 'delete', 'view'),
            },
        ),
        migrations.CreateModel(
            name='Overview',
            fields=[
            ],
            options={
                'verbose_name': 'overview',
                'verbose_name_plural': 'overview',
                'proxy': True,
                'default_permissions': (),
                'indexes': [],
                'constraints': [],
            },
            bases=('carillon.traffic',),
        ),
        migrations.CreateModel(
            name='ProviderCard',
            fields=[
            ],
            options={
                'verbose_name': 'provider',
                'verbose_name_plural': 'providers',
                'permissions': [('send_trial', 'Can send a trial message to oneself')],
                'proxy': True,
                'default_permissions': (),
                'indexes': [],
                'constraints': [],
            },
            bases=('carillon.providerhold',),
        ),
        migrations.CreateModel(
            name='Queue',
            fields=[
            ],
            options={
                'verbose_name': 'queue',
                'verbose_name_plural': 'queues and workers',
                'permissions': [('clear_waiting', 'Can expire and cancel what waits')],
                'proxy': True,
                'default_permissions': (),
                'indexes': [],
                'constraints': [],
            },
            bases=('carillon.channelpause',),
        ),
    ]
