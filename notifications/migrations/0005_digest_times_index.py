from django.conf import settings
from django.db import migrations, models

from zenithedge.live_index import AddLiveIndex


class Migration(migrations.Migration):

    atomic = False  # CREATE INDEX CONCURRENTLY

    dependencies = [
        ('notifications', '0004_digest_runs'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddLiveIndex(
            model_name='notificationpreference',
            index=models.Index(condition=models.Q(('email_digest_enabled', True)), fields=['time_zone', 'digest_time', 'user'], name='preference_digest_times'),
        ),
    ]
