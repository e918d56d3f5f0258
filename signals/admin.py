"""The market's side in the admin: signals can be added and validated again, records can only be read."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from signals import intake
from signals.admin_search import by_strategy, by_symbol
from signals.forms import SignalForm
from signals.models import Signal, TradeValidation, ValidationStatus, WebhookRequest, WebhookSource
from signals.webhook import webhook_address
from zenithedge.admin.filters import ChosenFilter, DaysFilter, ValueFilter
from zenithedge.admin.lists import ListAdmin
from zenithedge.admin.read_only import NeverWritten, ReadOnlyAdmin
from zenithedge.admin.searching import by_id, by_user, by_value

if TYPE_CHECKING:
    ValidationStackedInline = admin.StackedInline[TradeValidation, Signal]
else:
    ValidationStackedInline = admin.StackedInline  # generic in the stubs only

logger = logging.getLogger(__name__)

# New addresses in one answer: more than fit a cookie would be kept in the session, and so in the database.
SHOWN_ADDRESSES = 5
MOST_VALIDATED = 200


class ValidationInline(NeverWritten, ValidationStackedInline):
    model = TradeValidation
    can_delete = False


@admin.register(Signal)
class SignalAdmin(ListAdmin):
    form = SignalForm
    list_display = (
        *("received_at", "symbol", "timeframe", "side", "strategy", "owner"),
        *("truth_index", "status", "outcome", "source"),
    )
    list_display_links = ("received_at", "symbol")
    sortable_by = ("received_at",)
    list_filter = (
        ("received_at", DaysFilter),
        ("user", ChosenFilter),
        ("user", admin.EmptyFieldListFilter),
        ("symbol", ValueFilter),
        ("strategy", ValueFilter),
        *("validation__status", "outcome", "side", "timeframe", "regime", "session"),
        ("source", ValueFilter),
    )
    list_select_related = ("user", "validation")
    finders = (by_id("pk"), by_symbol("symbol"), by_strategy("strategy"), by_user("user"))
    search_help_text = _("Symbol, strategy, id, or how its owner's name begins.")
    autocomplete_fields = ("user",)
    readonly_fields = ("source", "webhook_source", "received_at", "updated_at")
    inlines = (ValidationInline,)
    actions = ("validate_again", "export_chosen")
    too_many = _("Its notifications go by themselves after 30 days; delete it then.")

    @admin.display(description=_("owner"))
    def owner(self, signal: Signal) -> str:
        return signal.user.get_username() if signal.user else gettext("House")

    @admin.display(description=_("truth index"))
    def truth_index(self, signal: Signal) -> Any:
        validation = _validation_of(signal)
        return validation.truth_index if validation else None

    @admin.display(description=_("status"))
    def status(self, signal: Signal) -> str:
        validation = _validation_of(signal)
        return str(ValidationStatus(validation.status).label) if validation else gettext("Unvalidated")

    @admin.action(description=_("Validate again"), permissions=["change"])
    def validate_again(self, request: HttpRequest, queryset: QuerySet[Signal]) -> None:
        if not self.few_enough(request, queryset, MOST_VALIDATED):
            return
        failed = [signal.pk for signal in queryset.order_by("pk") if not _rescored(signal)]
        done = queryset.count() - len(failed)
        if done:
            self.message_user(request, gettext("Validated again: %(count)s.") % {"count": done}, messages.SUCCESS)
        if failed:
            ids = ", ".join(str(pk) for pk in failed)
            self.message_user(
                request, gettext("The validator failed for %(ids)s; see the log.") % {"ids": ids}, messages.ERROR
            )

    def get_inlines(self, request: HttpRequest, obj: Signal | None) -> Any:
        return self.inlines if obj else ()

    def get_exclude(self, request: HttpRequest, obj: Signal | None = None) -> Any:
        return () if obj else ("outcome",)

    def get_readonly_fields(self, request: HttpRequest, obj: Signal | None = None) -> Any:
        return self.readonly_fields if obj else ()

    def save_model(self, request: HttpRequest, obj: Signal, form: ModelForm[Signal], change: bool) -> None:
        """A new one takes the way of every alert, and so gets its validation and its dispatch."""
        if change:
            return super().save_model(request, obj, form, change)
        assert isinstance(form, SignalForm)  # noqa: S101 - for the type checker; `form` above makes it so
        received = intake.receive(form.alert(), owner=obj.user, origin="admin")
        obj.pk = received.signal.pk
        obj.refresh_from_db()
        if not received.created:
            self.message_user(
                request, gettext("This signal had been received before; nothing was added."), messages.WARNING
            )
        elif received.validation is None:
            self.message_user(request, gettext("Stored, but the validator failed; see the log."), messages.WARNING)


@admin.register(TradeValidation)
class TradeValidationAdmin(ReadOnlyAdmin):
    list_display = ("validated_at", "signal", "owner", "truth_index", "status", "recommendation")
    sortable_by = ()
    list_filter = (
        ("signal__user", ChosenFilter),
        ("signal__symbol", ValueFilter),
        ("signal__strategy", ValueFilter),
        "status",
    )
    list_select_related = ("signal", "signal__user")
    ordering = ("-id",)  # the order in which they were made first; the time has no index
    finders = (by_id("signal"), by_symbol("signal__symbol"), by_strategy("signal__strategy"), by_user("signal__user"))
    search_help_text = _("Symbol, strategy, id of the signal, or how its owner's name begins.")

    @admin.display(description=_("owner"))
    def owner(self, validation: TradeValidation) -> str:
        return validation.signal.user.get_username() if validation.signal.user else gettext("House")


class SilentFilter(admin.SimpleListFilter):
    """Those whose owners were told that they have gone silent (`signals.silence`)."""

    title = _("silence")
    parameter_name = "silent"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", gettext("Gone silent"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset & WebhookSource.objects.silent() if self.value() == "yes" else queryset


@admin.register(WebhookSource)
class WebhookSourceAdmin(ListAdmin):
    list_display = ("name", "owner", "paused", "last_alert_at", "created_at")
    list_filter = (("user", ChosenFilter), ("user", admin.EmptyFieldListFilter), SilentFilter, "paused")
    list_select_related = ("user",)
    finders = (by_user("user"), by_value("name"))
    search_help_text = _("How its owner's name begins, or its own name.")
    autocomplete_fields = ("user",)
    readonly_fields = ("created_at", "last_alert_at")
    actions = ("pause", "resume", "replace_address", "export_chosen")
    too_many = _("Pause it: its raw requests go by themselves after 30 days; delete it then.")

    @admin.display(description=_("owner"))
    def owner(self, source: WebhookSource) -> str:
        return source.user.get_username() if source.user else gettext("House")

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("signals.pause_webhooksource")

    @admin.action(description=_("Pause"), permissions=["pause"])
    def pause(self, request: HttpRequest, queryset: QuerySet[WebhookSource]) -> None:
        self.message_user(
            request, gettext("Paused: %(count)s.") % {"count": queryset.update(paused=True)}, messages.SUCCESS
        )

    @admin.action(description=_("Resume"), permissions=["pause"])
    def resume(self, request: HttpRequest, queryset: QuerySet[WebhookSource]) -> None:
        self.message_user(
            request, gettext("Resumed: %(count)s.") % {"count": queryset.update(paused=False)}, messages.SUCCESS
        )

    @admin.action(description=_("Replace the address"), permissions=["change"])
    def replace_address(self, request: HttpRequest, queryset: QuerySet[WebhookSource]) -> None:
        if queryset.count() > SHOWN_ADDRESSES:
            text = gettext("Nothing was replaced: choose at most %(count)s at a time.") % {"count": SHOWN_ADDRESSES}
            self.message_user(request, text, messages.ERROR)
            return
        for source in queryset.order_by("pk"):
            token = source.rotate_token()
            source.save(update_fields=["token_hash"])
            self._show_address(request, source, token)

    def save_model(
        self, request: HttpRequest, obj: WebhookSource, form: ModelForm[WebhookSource], change: bool
    ) -> None:
        if change:
            return super().save_model(request, obj, form, change)
        token = obj.rotate_token()
        super().save_model(request, obj, form, change)
        self._show_address(request, obj, token)

    def _show_address(self, request: HttpRequest, source: WebhookSource, token: str) -> None:
        """The message lives in a signed cookie until the next page shows it; the database keeps the hash only."""
        text = gettext("The address of %(source)s, shown this once: %(address)s") % {
            "source": source,
            "address": webhook_address(token),
        }
        self.message_user(request, text, messages.WARNING)


@admin.register(WebhookRequest)
class WebhookRequestAdmin(ReadOnlyAdmin):
    list_display = ("received_at", "source", "verdict", "status_code", "reason", "signal")
    sortable_by = ("received_at",)
    list_filter = (
        ("received_at", DaysFilter),
        ("source", ChosenFilter),
        ("source__user", ChosenFilter),
        "verdict",
        ("status_code", ValueFilter),
    )
    list_select_related = ("source", "source__user", "signal")
    finders = (by_id("signal"), by_user("source__user"))
    search_help_text = _("How the name of the webhook's owner begins, or the id of the signal.")


def _validation_of(signal: Signal) -> TradeValidation | None:
    return getattr(signal, "validation", None)


def _rescored(signal: Signal) -> bool:
    try:
        intake.rescore(signal)
    except Exception:
        logger.exception("Signal %s could not be validated again", signal.pk)
        return False
    return True
