import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0006_quiet_windows_and_mutes'),
    ]

    operations = [
        migrations.CreateModel(
            name='InsightChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('settled', 'Target or stop reached'), ('reversed', 'Turned by an opposite signal')], max_length=8)),
                ('signal_ids', models.JSONField(help_text='A list. Those that are deleted meanwhile have no notifications either.')),
                ('cursor', models.BigIntegerField(default=0, help_text='Id of the last user done.')),
                ('opened_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ['-opened_at', '-id'],
                'indexes': [models.Index(condition=models.Q(('finished_at__isnull', True)), fields=['id'], name='change_unfinished'), models.Index(condition=models.Q(('finished_at__isnull', False)), fields=['finished_at'], name='change_age')],
                'constraints': [models.CheckConstraint(condition=models.Q(('kind__in', ['settled', 'reversed'])), name='change_kind_known')],
            },
        ),
    ]
