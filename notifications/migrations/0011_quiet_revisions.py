from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0010_deliveries_over_any_channel'),
    ]

    operations = [
        migrations.AddField(
            model_name='insightnotification',
            name='quiet',
            field=models.BooleanField(db_default=False, default=False, help_text='A revision in the place of the one before it: no toast.'),
        ),
    ]
