from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("notifications", "0011_quiet_revisions"),
    ]

    operations = [
        migrations.AddField(
            model_name="insightnotification",
            name="min_confidence",
            field=models.DecimalField(
                blank=True,
                decimal_places=2,
                help_text="What the user asked for when it was decided.",
                max_digits=5,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="insightnotification",
            name="chosen",
            field=models.SmallIntegerField(
                db_default=0,
                default=0,
                help_text="What the user had named: 1 the symbol, 2 the strategy, 4 high priority.",
            ),
        ),
    ]
