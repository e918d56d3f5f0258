"""Forms of the market's side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.utils.translation import gettext as _

from signals.alert_fields import stop_and_target_errors
from signals.alert_json import clean_line
from signals.models import MarketSession, Regime, Side, Signal, Timeframe, WebhookSource
from signals.tradingview import Alert
from signals.vocabulary import canonical_strategy, canonical_symbol

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    SourceModelForm = forms.ModelForm[WebhookSource]
    SignalModelForm = forms.ModelForm[Signal]
else:
    SourceModelForm = SignalModelForm = forms.ModelForm  # generic in the stubs only

MAX_SOURCES = 20


class SourceForm(SourceModelForm):
    """Names a webhook of one trader, a new one or an existing one."""

    class Meta:
        model = WebhookSource
        fields = ["name"]

    def __init__(self, *args: object, owner: User, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they came
        self.owner = owner

    def clean_name(self) -> str:
        name = clean_line(self.cleaned_data["name"])
        if not name:
            raise forms.ValidationError(_("This field is required."))
        return name

    def clean(self) -> None:
        if self.instance.pk is None and self.owner.webhook_sources.count() >= MAX_SOURCES:
            raise forms.ValidationError(
                _("You have %(count)s webhooks. Delete one before you add another.") % {"count": MAX_SOURCES}
            )

    def create(self) -> tuple[WebhookSource, str]:
        """The new webhook and its token, which cannot be shown again."""
        source = self.save(commit=False)
        source.user = self.owner
        token = source.rotate_token()
        source.save()
        return source, token


class SignalForm(SignalModelForm):
    """A signal made or corrected by hand, held to the rules of every alert."""

    class Meta:
        model = Signal
        fields = [
            *("user", "symbol", "timeframe", "side", "price", "sl", "tp", "confidence", "strategy", "bar_time"),
            *("regime", "session", "structure", "news_headline", "news_context", "notes", "extra", "outcome"),
        ]

    def clean_symbol(self) -> str:
        return self._given(canonical_symbol(self.cleaned_data["symbol"]))

    def clean_strategy(self) -> str:
        return self._given(canonical_strategy(clean_line(self.cleaned_data["strategy"])))

    def clean(self) -> None:
        cleaned = self.cleaned_data
        if all(cleaned.get(name) for name in ("side", "sl", "tp")) and "price" in cleaned:
            errors = stop_and_target_errors(cleaned["side"], cleaned["price"], cleaned["sl"], cleaned["tp"])
            for name, texts in errors.items():
                self.add_error(name, list(texts))

    def alert(self) -> Alert:
        """The valid form's content as the alert that a webhook would have made of it."""
        cleaned = self.cleaned_data
        same = ("symbol", "sl", "tp", "price", "confidence", "strategy", "structure", "news_headline", "news_context")
        return Alert(
            timeframe=Timeframe(cleaned["timeframe"]),
            side=Side(cleaned["side"]),
            regime=Regime(cleaned["regime"]) if cleaned["regime"] else None,
            session=MarketSession(cleaned["session"]) if cleaned["session"] else None,
            notes=cleaned["notes"],
            extra=cleaned.get("extra") or {},
            timestamp=cleaned["bar_time"],
            **{name: cleaned[name] for name in same},
        )

    @staticmethod
    def _given(text: str) -> str:
        if not text:
            raise forms.ValidationError(_("This field is required."))
        return text
