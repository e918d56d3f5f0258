import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('signals', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='signal',
            name='reversed_by',
            field=models.ForeignKey(blank=True, db_index=False, help_text='The later signal of the other side that turned this one while it was live.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='reverses', to='signals.signal'),
        ),
    ]
