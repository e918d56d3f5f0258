"""The market's side in the admin."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from signals.models import Signal, TradeValidation, WebhookRequest, WebhookSource
from signals.tests import validators
from signals.tests.alerts import alert_body

pytestmark = pytest.mark.django_db

MODELS: dict[str, Any] = {
    "signal": Signal,
    "tradevalidation": TradeValidation,
    "webhooksource": WebhookSource,
    "webhookrequest": WebhookRequest,
}

FORM = {
    "symbol": "eur/usd",
    "timeframe": "1h",
    "side": "buy",
    "price": "1.085",
    "sl": "1.08",
    "tp": "1.095",
    "confidence": "78",
    "strategy": "zenithedge",
    "regime": "",
    "session": "",
    "extra": "{}",
    "bar_time_0": "",
    "bar_time_1": "",
}


@pytest.fixture
def admin_client(ada: User, fixed_validator: None) -> Client:
    client = Client()
    client.force_login(ada)
    return client


@pytest.fixture
def fill(make_insight: Callable[..., Signal]) -> Callable[[int], None]:
    """Make so many rows of each model, each with an owner of its own."""

    def make(count: int) -> None:
        for _ in range(count):
            number = User.objects.count()
            user = User.objects.create(username=f"trader-{number}")
            signal = make_insight(user)
            source = WebhookSource.objects.create(user=user, token_hash=str(number))
            WebhookRequest.objects.create(source=source, verdict="accepted", status_code=201, signal=signal)

    return make


@pytest.mark.parametrize("model", MODELS)
def test_list_costs_the_same_queries_for_5_and_for_50_rows(
    admin_client: Client, fill: Callable[[int], None], model: str
) -> None:
    def visit() -> tuple[int, int]:
        with CaptureQueriesContext(connection) as queries:
            page = admin_client.get(reverse(f"admin:signals_{model}_changelist"))
        return len(page.context["cl"].result_list), len(queries)

    fill(5)
    rows, few = visit()
    fill(45)
    assert (rows, *visit()) == (5, 50, few)


@pytest.mark.parametrize("model", MODELS)
def test_list_is_searched_and_each_row_has_a_page(
    admin_client: Client, fill: Callable[[int], None], model: str
) -> None:
    fill(2)
    names = User.objects.filter(username__startswith="trader-").order_by("pk").values_list("username", flat=True)
    found = admin_client.get(reverse(f"admin:signals_{model}_changelist"), {"q": names[0]}).content.decode()
    page = admin_client.get(reverse(f"admin:signals_{model}_change", args=[MODELS[model].objects.latest("pk").pk]))

    assert f"{names[0]}</" in found or f"of {names[0]}" in found
    assert names[1] not in found
    assert page.status_code == 200


def test_added_signal_takes_the_way_of_every_alert(admin_client: Client, alice: User) -> None:
    response = admin_client.post(reverse("admin:signals_signal_add"), FORM | {"user": alice.pk}, follow=True)

    signal = Signal.objects.get()
    assert response.status_code == 200
    assert (signal.user, signal.source, signal.symbol, signal.strategy) == (alice, "admin", "EURUSD", "ZenithEdge")
    assert signal.validation.truth_index == validators.FixedValidator.truth_index


def test_signal_added_without_an_owner_is_a_house_signal(admin_client: Client) -> None:
    admin_client.post(reverse("admin:signals_signal_add"), FORM)
    assert Signal.objects.get().user is None


def test_same_signal_added_twice_is_stored_once_and_told(admin_client: Client) -> None:
    form = FORM | {"bar_time_0": "2026-05-04", "bar_time_1": "09:30:00"}
    admin_client.post(reverse("admin:signals_signal_add"), form)
    page = admin_client.post(reverse("admin:signals_signal_add"), form, follow=True)
    assert Signal.objects.count() == 1
    assert "had been received before" in page.content.decode()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"sl": "1.09"}, "The stop loss of a buy must be below its price."),
        ({"tp": "1.08"}, "The take profit of a buy must be above its price."),
        ({"side": "sell", "price": ""}, "The stop loss of a sell must be above its take profit."),
        ({"sl": ""}, "This field is required."),
        ({"symbol": "/"}, "This field is required."),
        ({"sl": "-1"}, "Constraint"),
        ({"confidence": "101"}, "less than or equal to 100"),
    ],
)
def test_wrong_signal_is_refused_by_field(admin_client: Client, changes: dict[str, str], error: str) -> None:
    response = admin_client.post(reverse("admin:signals_signal_add"), FORM | changes)
    assert response.status_code == 200
    assert error in response.content.decode()
    assert not Signal.objects.exists()


def test_validate_again_replaces_the_verdicts(
    admin_client: Client, make_insight: Callable[..., Signal], make_signal: Callable[..., Signal]
) -> None:
    chosen = [make_insight(truth_index=40).pk, make_signal().pk]
    page = _act(admin_client, "signal", "validate_again", chosen)

    assert "Validated again: 2." in page
    assert set(TradeValidation.objects.values_list("truth_index", flat=True)) == {validators.FixedValidator.truth_index}


def test_validate_again_names_the_signals_that_its_validator_fails_for(
    admin_client: Client, make_insight: Callable[..., Signal], settings: Any
) -> None:
    settings.SIGNALS_VALIDATOR = validators.RAISING
    signal = make_insight(truth_index=40)
    assert f"The validator failed for {signal.pk}" in _act(admin_client, "signal", "validate_again", [signal.pk])
    assert TradeValidation.objects.get().truth_index == 40


def test_new_webhook_shows_its_address_once(admin_client: Client, alice: User) -> None:
    data = {"name": "Chart", "user": alice.pk}
    page = admin_client.post(reverse("admin:signals_webhooksource_add"), data, follow=True).content.decode()

    (path,) = {urlsplit(url).path for url in re.findall(r"http[^\s<]+/signals/webhook/[\w-]+/", page)}
    assert Client().post(path, alert_body(), content_type="text/plain").status_code == 201
    assert (
        "/signals/webhook/" not in admin_client.get(reverse("admin:signals_webhooksource_changelist")).content.decode()
    )


def test_changing_a_webhook_keeps_its_token_and_never_shows_its_hash(
    admin_client: Client, source: WebhookSource
) -> None:
    address = reverse("admin:signals_webhooksource_change", args=[source.pk])
    assert source.token_hash not in admin_client.get(address).content.decode()

    admin_client.post(address, {"name": "Chart", "user": source.user_id, "token_hash": "0" * 64})
    assert WebhookSource.objects.values_list("name", "token_hash").get() == ("Chart", source.token_hash)


def test_webhooks_are_paused_resumed_and_given_a_new_address(admin_client: Client, source: WebhookSource) -> None:
    _act(admin_client, "webhooksource", "pause", [source.pk])
    assert WebhookSource.objects.get().paused
    _act(admin_client, "webhooksource", "resume", [source.pk])
    assert not WebhookSource.objects.get().paused
    assert "/signals/webhook/" in _act(admin_client, "webhooksource", "replace_address", [source.pk])
    assert WebhookSource.objects.get().token_hash != source.token_hash


def test_new_addresses_are_never_kept_in_the_session(admin_client: Client) -> None:
    sources = [WebhookSource.objects.create(name=f"{n}" * 64, token_hash=str(n)) for n in range(6)]
    action: dict[str, Any] = {"action": "replace_address", "_selected_action": [source.pk for source in sources]}

    refusal = admin_client.post(reverse("admin:signals_webhooksource_changelist"), action, follow=True)
    assert "choose at most 5 at a time" in refusal.content.decode()
    assert set(WebhookSource.objects.values_list("token_hash", flat=True)) == set("012345")

    action["_selected_action"].pop()
    admin_client.post(reverse("admin:signals_webhooksource_changelist"), action)
    assert WebhookSource.objects.filter(token_hash__in="012345").count() == 1
    assert "_messages" not in admin_client.session


@pytest.mark.parametrize("model", ["tradevalidation", "webhookrequest"])
def test_records_are_only_read(admin_client: Client, fill: Callable[[int], None], model: str) -> None:
    fill(1)
    record = MODELS[model].objects.get()
    change, delete = (reverse(f"admin:signals_{model}_{page}", args=[record.pk]) for page in ("change", "delete"))

    assert admin_client.get(reverse(f"admin:signals_{model}_add")).status_code == 403
    assert admin_client.post(change, {}).status_code == 403
    assert admin_client.post(delete, {"post": "yes"}).status_code == 403
    assert MODELS[model].objects.filter(pk=record.pk).exists()


@pytest.mark.parametrize("model", ["signal", "webhooksource"])
def test_what_owns_records_can_be_deleted_with_them(
    admin_client: Client, fill: Callable[[int], None], model: str
) -> None:
    fill(1)
    owner = MODELS[model].objects.get()
    admin_client.post(reverse(f"admin:signals_{model}_delete", args=[owner.pk]), {"post": "yes"})
    assert not MODELS[model].objects.exists()


def _act(client: Client, model: str, action: str, chosen: list[int]) -> str:
    address = reverse(f"admin:signals_{model}_changelist")
    return client.post(address, {"action": action, "_selected_action": chosen}, follow=True).content.decode()
