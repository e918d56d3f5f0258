from django.db import migrations


class Migration(migrations.Migration):
    atomic = False  # CREATE INDEX CONCURRENTLY

    dependencies = [("notifications", "0001_initial")]

    operations = [
        migrations.RunSQL("ALTER TABLE notifications_insightnotification ADD COLUMN next_release varchar(20) NULL"),
        migrations.RunSQL("CREATE INDEX CONCURRENTLY next_release ON notifications_insightnotification (next_release)"),
    ]
