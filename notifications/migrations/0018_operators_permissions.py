from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0017_sending_brake"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="notificationdeliverylog",
            options={
                "ordering": ["-created_at", "-id"],
                "permissions": [
                    ("resend_notification", "Can send notifications and daily e-mails again"),
                    ("export_lists", "Can export the admin's lists as CSV"),
                ],
            },
        ),
    ]
