from django.db import migrations, models

from zenithedge.live_index import AddLiveIndex


class Migration(migrations.Migration):

    atomic = False  # CREATE INDEX CONCURRENTLY

    dependencies = [
        ('notifications', '0008_what_changed'),
    ]

    operations = [
        AddLiveIndex(
            model_name='insightnotification',
            index=models.Index(condition=models.Q(('repeat_of__isnull', False)), fields=['repeat_of'], name='notification_repeats'),
        ),
        AddLiveIndex(
            model_name='insightnotification',
            index=models.Index(condition=models.Q(('released_at__isnull', False)), fields=['user', 'released_at'], name='notification_released'),
        ),
    ]
