"""The market's pages: "Connect TradingView" (webhooks, what to paste where, what has arrived) and the track record."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from signals import intake, samples, track_record
from signals.forms import SourceForm
from signals.models import WebhookRequest, WebhookSource
from signals.webhook import webhook_address
from zenithedge.forms import posted_from

SHOWN_REQUESTS = 20


class TraderRequest(HttpRequest):
    """What a view behind `login_required` gets."""

    user: User


@dataclass(frozen=True)
class FreshAddress:
    """An address on the one page that shows it: the token in it is stored hashed only."""

    source: WebhookSource
    url: str
    rotated: bool


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def connect(request: TraderRequest) -> HttpResponse:
    """The page; posting to it makes a webhook and shows its address, once."""
    if request.method != "POST":
        return _page(request)
    form = SourceForm(request.POST, owner=request.user)
    if not form.is_valid():
        return _page(request, form=form, status=400)
    source, token = form.create()
    return _page(request, fresh=FreshAddress(source, webhook_address(token), rotated=False))


@never_cache
@posted_from("connect")
def rotate_source(request: TraderRequest, source_id: int) -> HttpResponse:
    """The old address ends at once; the new one is shown, once."""
    source = _own_source(request, source_id)
    token = source.rotate_token()
    source.save(update_fields=["token_hash"])
    return _page(request, fresh=FreshAddress(source, webhook_address(token), rotated=True))


@posted_from("connect")
def rename_source(request: TraderRequest, source_id: int) -> HttpResponse:
    source = _own_source(request, source_id)
    form = SourceForm(request.POST, instance=source, owner=request.user)
    if form.is_valid():
        form.save()
        messages.success(request, _("Renamed to %(name)s.") % {"name": source.name})
    else:
        messages.error(
            request, _("Not renamed. %(reason)s") % {"reason": " ".join(str(error) for error in form.errors["name"])}
        )
    return redirect("connect")


@posted_from("connect")
def pause_source(request: TraderRequest, source_id: int) -> HttpResponse:
    _set_paused(_own_source(request, source_id), paused=True)
    messages.success(request, _("Paused: its alerts are refused until you resume it."))
    return redirect("connect")


@posted_from("connect")
def resume_source(request: TraderRequest, source_id: int) -> HttpResponse:
    _set_paused(_own_source(request, source_id), paused=False)
    messages.success(request, _("Resumed: its alerts are taken again."))
    return redirect("connect")


@posted_from("connect")
def delete_source(request: TraderRequest, source_id: int) -> HttpResponse:
    source = _own_source(request, source_id)
    source.delete()
    messages.success(request, _("Deleted %(name)s. The signals that it brought are kept.") % {"name": source.name})
    return redirect("connect")


@posted_from("connect")
def send_test_insight(request: TraderRequest) -> HttpResponse:
    """Takes the way of every alert, so what arrives, or does not, is what a real one would do."""
    received = intake.receive(samples.trial_alert(timezone.now()), owner=request.user, origin="test")
    if received.validation is None:
        messages.warning(request, _("The test was stored, but the validator failed. It is validated again shortly."))
    elif received.created:
        confidence = int(received.validation.truth_index)
        messages.success(
            request,
            _("A test insight is made, at %(confidence)s%% AI confidence. Your preferences decide what you see.")
            % {"confidence": confidence},
        )
    else:
        messages.info(request, _("That test was already sent this second."))
    return redirect("connect")


@require_safe
@never_cache
@login_required
def track_record_page(request: TraderRequest) -> HttpResponse:
    """What became of the closed insights that this trader may see."""
    return render(request, "signals/track_record.html", {"record": track_record.read(request.user)})


def _own_source(request: TraderRequest, source_id: int) -> WebhookSource:
    return get_object_or_404(request.user.webhook_sources, pk=source_id)


def _set_paused(source: WebhookSource, *, paused: bool) -> None:
    source.paused = paused
    source.save(update_fields=["paused"])


def _page(
    request: TraderRequest, *, form: SourceForm | None = None, fresh: FreshAddress | None = None, status: int = 200
) -> HttpResponse:
    context = {
        "sources": request.user.webhook_sources.all(),
        "webhook_requests": _last_requests(request.user),
        "form": form or SourceForm(owner=request.user),
        "fresh": fresh,
        "strategy_message": samples.STRATEGY_MESSAGE,
        "indicator_message": samples.INDICATOR_MESSAGE,
    }
    return render(request, "signals/connect.html", context, status=status)


def _last_requests(user: User) -> QuerySet[WebhookRequest]:
    requests = WebhookRequest.objects.filter(source__user=user).select_related("source", "signal")
    return requests.order_by("-received_at", "-pk")[:SHOWN_REQUESTS]
