from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0007_insight_changes'),
    ]

    operations = [
        migrations.AddField(
            model_name='insightdispatch',
            name='confidence',
            field=models.DecimalField(blank=True, decimal_places=2, help_text='AI confidence when it was recorded, 0–100.', max_digits=5, null=True),
        ),
        migrations.AddField(
            model_name='insightnotification',
            name='earlier_confidence',
            field=models.DecimalField(blank=True, decimal_places=2, help_text='What this revision changed: 0–100 before it.', max_digits=5, null=True),
        ),
        migrations.AddField(
            model_name='insightnotification',
            name='new_status',
            field=models.CharField(blank=True, choices=[('approved', 'Approved'), ('conditional', 'Conditional'), ('rejected', 'Rejected')], help_text='Where the verdict changed.', max_length=12, null=True),
        ),
        migrations.AddField(
            model_name='insightnotification',
            name='released_at',
            field=models.DateTimeField(blank=True, help_text='When quiet hours that held it ended; one brief told of all with the same.', null=True),
        ),
        migrations.AddField(
            model_name='insightnotification',
            name='repeat_of',
            field=models.BigIntegerField(blank=True, help_text='Id of the first of the repeats that are one entry; none for the first.', null=True),
        ),
    ]
