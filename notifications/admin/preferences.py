"""What users want to hear of, and how that changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminTextareaWidget
from django.db.models import JSONField, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifications import preference_history
from notifications.admin.decisions import decision_view
from notifications.forms import WEEKDAYS, NamesField, SymbolsField, TimeZoneField
from notifications.json_preferences import window_payload
from notifications.models import Mute, NotificationPreference, PreferenceVersion, QuietWindow
from notifications.preference_words import windows_in_words
from notifications.preferences import canonical_strategies, canonical_symbols
from zenithedge.admin.filters import ChosenFilter, DaysFilter, ValueFilter
from zenithedge.admin.lists import ListAdmin
from zenithedge.admin.read_only import NeverWritten, ReadOnlyAdmin
from zenithedge.admin.searching import by_user, by_value

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    ModelForm = forms.ModelForm[NotificationPreference]
else:
    ModelForm = forms.ModelForm  # generic in the stubs only

VERSIONS_SHOWN = 20


class CommaSeparated(forms.Field):
    """Names in one line; each is checked as on the user's own page."""

    def __init__(self, *, names: NamesField, **kwargs: Any) -> None:
        super().__init__(required=False, widget=AdminTextareaWidget(attrs={"rows": 2}), **kwargs)
        self.names = names

    def prepare_value(self, value: Any) -> str:
        return _joined(value)

    def to_python(self, value: Any) -> list[str]:
        return self.names.to_python(str(value or "").split(","))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(_joined(initial), data)


class PreferenceAdminForm(ModelForm):
    strategies_filter = CommaSeparated(
        names=NamesField(canonical=canonical_strategies, noun=_("strategies")),
        label=_("Strategies"),
        help_text=_("Separated by commas; none means every strategy."),
    )
    symbols_filter = CommaSeparated(
        names=SymbolsField(canonical=canonical_symbols, noun=_("symbols")),
        label=_("Symbols"),
        help_text=_("Separated by commas; none means every symbol."),
    )
    quiet_weekdays = forms.TypedMultipleChoiceField(
        label=_("Quiet on these days"),
        choices=list(enumerate(WEEKDAYS)),
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    time_zone = TimeZoneField(label=_("Time zone"), max_length=64)

    class Meta:
        model = NotificationPreference
        fields = "__all__"  # an admin may change each of them


@admin.register(NotificationPreference)
class NotificationPreferenceAdmin(ListAdmin):
    list_display = (
        "user",
        "web_enabled",
        "push_enabled",
        "email_digest_enabled",
        "min_confidence",
        "high_priority_only",
        "strategies",
        "symbols",
        "quiet_hours_enabled",
        "paused_until",
        "updated_at",
    )
    sortable_by = ()
    list_filter = (
        ("user", ChosenFilter),
        "web_enabled",
        "push_enabled",
        "email_digest_enabled",
        "high_priority_only",
        "quiet_hours_enabled",
        "quiet_mode",
        ("paused_until", admin.EmptyFieldListFilter),
    )
    ordering = ("user_id",)
    form = PreferenceAdminForm
    change_form_template = "admin/notifications/notificationpreference/change_form.html"
    list_select_related = ("user",)
    finders = (by_user("user"),)
    search_help_text = _("How the user name begins.")
    autocomplete_fields = ("user",)
    readonly_fields = ("further_windows", "mutes", "updated_at")

    has_delete_permission = NeverWritten.has_delete_permission

    def get_urls(self) -> list[URLPattern]:
        """With the page that tells one decision whole."""
        decision = path("decision/", self.admin_site.admin_view(decision_view), name="notifications_decision")
        return [decision, *super().get_urls()]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("user", *self.readonly_fields) if obj else self.readonly_fields

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        preference = self.get_object(request, object_id)
        history = preference_history.latest(preference.user_id, VERSIONS_SHOWN) if preference else []
        return super().change_view(request, object_id, form_url, (extra_context or {}) | {"history": history})

    def save_model(
        self, request: HttpRequest, obj: NotificationPreference, form: forms.ModelForm[Any], change: bool
    ) -> None:
        obj.save(changed_by=cast("User", request.user))  # the admin lets nobody in who is not signed in

    @admin.display(description=_("strategies"))
    def strategies(self, preference: NotificationPreference) -> str:
        return _joined(preference.strategies_filter) or gettext("every")

    @admin.display(description=_("symbols"))
    def symbols(self, preference: NotificationPreference) -> str:
        return _joined(preference.symbols_filter) or gettext("every")

    @admin.display(description=_("further quiet windows"))
    def further_windows(self, preference: NotificationPreference) -> str:
        windows = QuietWindow.objects.filter(preference_id=preference.pk)
        return windows_in_words([window_payload(row.rule) for row in windows])

    @admin.display(description=_("mutes"))
    def mutes(self, preference: NotificationPreference) -> str:
        return "; ".join(str(row) for row in Mute.objects.filter(user_id=preference.user_id)) or gettext("none")


@admin.register(QuietWindow)
class QuietWindowAdmin(ReadOnlyAdmin):
    list_display = ("user", "start", "end", "weekdays")
    list_display_links = ("start",)
    sortable_by = ()
    list_filter = (("preference__user", ChosenFilter),)
    list_select_related = ("preference__user",)
    ordering = ("preference_id",)
    finders = (by_user("preference__user"),)
    search_help_text = _("How the user name begins.")

    @admin.display(description=_("user"))
    def user(self, window: QuietWindow) -> str:
        return str(window.preference.user)


@admin.register(Mute)
class MuteAdmin(ReadOnlyAdmin):
    list_display = ("user", "kind", "name", "until", "created_at")
    list_display_links = ("name",)
    sortable_by = ()
    list_filter = (("user", ChosenFilter), "kind", ("name", ValueFilter), ("until", admin.EmptyFieldListFilter))
    list_select_related = ("user",)
    ordering = ("user_id", "kind", "name")
    finders = (by_user("user"), by_value("name"))
    search_help_text = _("How the user name begins, or the symbol or strategy.")


@admin.register(PreferenceVersion)
class PreferenceVersionAdmin(ReadOnlyAdmin):
    list_display = ("valid_from", "user", "changed_by", "changes")
    sortable_by = ()
    list_filter = (("user", ChosenFilter), ("changed_by", ChosenFilter), ("valid_from", DaysFilter))
    list_select_related = ("user", "changed_by")
    ordering = ("-id",)  # the order in which they were made; the time has an index for each user only
    finders = (by_user("user", "changed_by"),)
    search_help_text = _("How the name begins of the user or of whoever made the change.")
    fields = ("user", "valid_from", "changed_by", "changes", "snapshot")
    readonly_fields = ("changes",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[PreferenceVersion]:
        earlier = PreferenceVersion.objects.filter(user=OuterRef("user"), valid_from__lte=OuterRef("valid_from"))
        previous = earlier.exclude(pk=OuterRef("pk")).order_by("-valid_from", "-pk").values("snapshot")[:1]
        versions: QuerySet[PreferenceVersion] = super().get_queryset(request)
        return versions.annotate(previous=Subquery(previous, output_field=JSONField()))

    @admin.display(description=_("changes"))
    def changes(self, version: Any) -> str:
        """Each rule that differs from the version before, as `rule: old → new`."""
        if version.previous is None:
            return gettext("First version")
        return "; ".join(map(str, preference_history.changes(version.previous, version.snapshot)))


def _joined(names: Any) -> str:
    """Something else than a list, which only a write past the forms can have stored, is shown as it is."""
    return ", ".join(map(str, names)) if isinstance(names, list) else str(names or "")
