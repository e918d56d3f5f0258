from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("signals", "0003_signal_indexes"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="webhooksource",
            options={
                "ordering": ["name", "id"],
                "permissions": [("pause_webhooksource", "Can pause and resume webhooks")],
            },
        ),
    ]
