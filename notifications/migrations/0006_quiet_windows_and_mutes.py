import datetime

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import notifications.models.preferences

REASONS = [
    ("channel_off", "Channel switched off"),
    ("paused", "Notifications paused"),
    ("muted", "Symbol or strategy muted"),
    ("not_high_priority", "Only high priority wanted"),
    ("below_min_confidence", "Below the minimum confidence"),
    ("strategy_not_chosen", "Strategy not in the list"),
    ("symbol_not_chosen", "Symbol not in the list"),
    ("quiet_hours", "Quiet hours"),
    ("urgent_in_quiet_hours", "High priority comes through quiet hours"),
    ("all_rules_passed", "Every rule passed"),
]


class Migration(migrations.Migration):

    dependencies = [
        ("notifications", "0005_digest_times_index"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="QuietWindow",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("start", models.TimeField()),
                ("end", models.TimeField(help_text="Earlier than the start: over midnight. The same: all day.")),
                (
                    "weekdays",
                    notifications.models.preferences.WeekdaysField(
                        default=notifications.models.preferences.every_weekday,
                        help_text="0 = Monday; days it starts on.",
                    ),
                ),
                (
                    "preference",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="quiet_windows",
                        to="notifications.notificationpreference",
                    ),
                ),
            ],
            options={
                "ordering": ["start", "end", "id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            end__lte=datetime.time(23, 59, 59, 999999), start__lte=datetime.time(23, 59, 59, 999999)
                        ),
                        name="quiet_window_times_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(weekdays__lte=[0, 1, 2, 3, 4, 5, 6]), name="quiet_window_weekdays_known"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Mute",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(choices=[("symbol", "Symbol"), ("strategy", "Strategy")], max_length=8)),
                ("name", models.CharField(max_length=64)),
                (
                    "until",
                    models.DateTimeField(blank=True, help_text="Empty = until it is taken back.", null=True),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notification_mutes",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["kind", "name"],
                "indexes": [
                    models.Index(condition=models.Q(until__isnull=False), fields=["until"], name="mute_to_end")
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("user", "kind", "name"), name="mute_once_a_name"),
                    models.CheckConstraint(
                        condition=models.Q(kind__in=["symbol", "strategy"]), name="mute_kind_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(until__isnull=True)
                        | models.Q(until__lte=datetime.datetime(2199, 12, 31, tzinfo=datetime.UTC)),
                        name="mute_until_known",
                    ),
                ],
            },
        ),
        migrations.AlterField(
            model_name="insightnotification",
            name="reason",
            field=models.CharField(choices=REASONS, default="all_rules_passed", max_length=32),
        ),
        migrations.AlterField(
            model_name="suppressedinsight",
            name="reason",
            field=models.CharField(choices=REASONS, max_length=32),
        ),
    ]
