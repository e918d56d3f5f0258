import django.db.models.functions.comparison
from django.db import migrations, models

from zenithedge.live_index import AddLiveIndex


class Migration(migrations.Migration):

    atomic = False  # CREATE INDEX CONCURRENTLY

    dependencies = [
        ('signals', '0002_signal_reversed_by'),
    ]

    operations = [
        AddLiveIndex(
            model_name='signal',
            index=models.Index(condition=models.Q(('reversed_by__isnull', False)), fields=['reversed_by'], name='signal_reversed'),
        ),
        AddLiveIndex(
            model_name='signal',
            index=models.Index(models.F('symbol'), models.F('strategy'), django.db.models.functions.comparison.Coalesce('bar_time', 'received_at'), name='signal_own_time'),
        ),
    ]
