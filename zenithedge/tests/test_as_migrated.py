"""After a test that commits, the next one finds what the migrations left."""

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType

from signals.models import Signal
from zenithedge.tests.as_migrated import AsMigrated


@pytest.mark.django_db(transaction=True)
def test_what_was_stored_is_gone_and_what_was_changed_is_as_before() -> None:
    as_migrated = AsMigrated()
    permissions = list(Permission.objects.values())
    alice = User.objects.create_user("alice")
    alice.user_permissions.add(Permission.objects.all()[0])
    Signal.objects.create(
        user=alice, symbol="EURUSD", timeframe="1h", side="buy", sl=1, tp=2, confidence=70, strategy="SMC"
    )
    Permission.objects.all()[1].delete()
    ContentType.objects.create(app_label="nowhere", model="nothing")
    Permission.objects.filter(codename="add_user").update(name="Renamed")

    as_migrated.restore()

    assert not User.objects.exists()
    assert not Signal.objects.exists()
    assert not ContentType.objects.filter(app_label="nowhere").exists()
    assert list(Permission.objects.values()) == permissions
