"""A digest as a mail: subject, headers, an HTML part and a text part, in the user's language and by the user's clock.

Texts come from whoever sends alerts: the HTML part escapes them, both are rid of what drives a terminal or turns the
reading direction, and none gets into a header without being one line.
"""

from __future__ import annotations

import datetime as dt
import math
import unicodedata
from dataclasses import dataclass
from typing import Any, TypedDict

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from notifications import messages
from notifications.digests import addresses
from notifications.digests.content import Digest
from notifications.models import DigestRun, NotificationPreference
from notifications.preferences import Reason
from notifications.quiet import zone_or_utc
from signals.models import Outcome, Side, Signal

NARRATIVE_CHARS = 160
SUBJECT_CHARS = 120
TURNING = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Heading(TypedDict):
    side: str
    side_label: str
    symbol: str
    timeframe: str
    url: str


class Row(Heading):
    """One insight as both parts show it."""

    figure: str
    tone: str
    confidence: int | None
    text: str
    details: str
    prices: str


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    rows: list[Row]
    more: str = ""
    url: str = ""

    @property
    def rule(self) -> str:
        return "-" * len(self.title)


@dataclass(frozen=True, slots=True)
class KeptBack:
    title: str
    rows: list[tuple[str, int]]

    @property
    def rule(self) -> str:
        return "-" * len(self.title)


def message(run: DigestRun, digest: Digest, preference: NotificationPreference) -> EmailMultiAlternatives:
    """The mail of this run to its user. The envelope's sender, where bounces go, is a setting of its own."""
    unsubscribe = addresses.unsubscribe(preference.user)
    with translation.override(language_of(preference)), timezone.override(zone_or_utc(preference.time_zone)):
        context = _context(run, digest, unsubscribe)
        mail = EmailMultiAlternatives(
            subject=context["subject"],
            body=render_to_string("notifications/mail/digest.txt", context),
            from_email=settings.BOUNCE_EMAIL or settings.DEFAULT_FROM_EMAIL,
            to=[run.user.email],
            headers={
                "From": settings.DEFAULT_FROM_EMAIL,
                "Message-ID": run.message_id,
                "List-Unsubscribe": f"<{unsubscribe}>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
                "List-ID": f"ZenithEdge digest <digest.{addresses.mail_domain()}>",
                "Auto-Submitted": "auto-generated",  # nobody's holiday note answers it
                "Feedback-ID": f"digest:{addresses.mail_domain()}",
            },
        )
        mail.attach_alternative(render_to_string("notifications/mail/digest.html", context), "text/html")
    return mail


def language_of(preference: NotificationPreference) -> str:
    """That of the user's mails."""
    known = preference.language in dict(settings.LANGUAGES)  # one that has been taken away since is no longer spoken
    return preference.language if known else settings.LANGUAGE_CODE


def _context(run: DigestRun, digest: Digest, unsubscribe: str) -> dict[str, Any]:
    subject = _headline(digest)
    return {
        "subject": messages.shorten(readable(subject), SUBJECT_CHARS),
        "headline": subject,
        "preview": _preview(digest),
        "day": run.local_date,
        "tiles": _tiles(digest),
        "sections": [section for section in _sections(digest) if section.rows],
        "kept_back": _kept_back(digest),
        "why": _("You asked for this mail on the page of your preferences.")
        if run.trial
        else _("You get this mail once a day, because you switched the daily e-mail on in your preferences."),
        "urls": {
            "dashboard": addresses.site(reverse("dashboard")),
            "hidden": addresses.site(reverse("hidden")),
            "preferences": addresses.site(reverse("preferences")),
            "unsubscribe": unsubscribe,
        },
    }


def _headline(digest: Digest) -> str:
    best = max((*digest.unread, *digest.best), key=lambda signal: signal.ai_confidence, default=None)
    if digest.unread_count:
        unread = ngettext("%(count)d unread insight", "%(count)d unread insights", digest.unread_count)
        unread %= {"count": digest.unread_count}
        return _("%(unread)s, the best %(symbol)s at %(percent)s%%") % {
            "unread": unread,
            "symbol": readable(best.symbol) if best else "",
            "percent": _percent(best) if best else "",
        }
    if best:
        return _("The best of the day: %(symbol)s at %(percent)s%%") % {
            "symbol": readable(best.symbol),
            "percent": _percent(best),
        }
    closed = digest.wins + digest.losses
    if closed:
        return ngettext("%(count)d insight closed", "%(count)d insights closed", closed) % {"count": closed}
    if digest.held_count:
        held = ngettext("%(count)d insight is held for you", "%(count)d insights are held for you", digest.held_count)
        return held % {"count": digest.held_count}
    return _("A quiet day: nothing new for you")


def _preview(digest: Digest) -> str:
    """What a mailbox shows beside the subject."""
    shown = [f"{readable(signal.symbol)} {_percent(signal)}%" for signal in (*digest.unread, *digest.best)]
    return ", ".join(shown[1:]) or _("Your insights of the day")


def _tiles(digest: Digest) -> list[dict[str, object]]:
    closed = digest.wins + digest.losses
    return [
        {"figure": digest.unread_count, "label": _("unread")},
        {"figure": f"{digest.wins}/{closed}" if closed else "–", "label": _("reached target")},
        {"figure": digest.held_count + digest.hidden_count, "label": _("held or hidden")},
    ]


def _sections(digest: Digest) -> list[Section]:
    more = digest.unread_count - len(digest.unread)
    closed = digest.wins + digest.losses - len(digest.outcomes)
    history = addresses.site(reverse("history"))
    return [
        Section(
            _("Unread"),
            [_row(signal, _until(signal), _prices(signal)) for signal in digest.unread],
            ngettext("%(count)d more", "%(count)d more", more) % {"count": more} if more > 0 else "",
            f"{history}?unread=1",
        ),
        Section(_("Best since the last mail"), [_row(signal, _strategy(signal)) for signal in digest.best]),
        Section(
            _("What became of earlier ones"),
            [_outcome_row(signal) for signal in digest.outcomes],
            ngettext("%(count)d more", "%(count)d more", closed) % {"count": closed} if closed > 0 else "",
            addresses.site(reverse("track_record")),
        ),
    ]


def _row(signal: Signal, details: str, prices: str = "") -> Row:
    validation = getattr(signal, "validation", None)  # one that was pushed by hand may have none
    narrative = validation.context_summary if validation else ""
    return {
        **_heading(signal),
        "figure": f"{_percent(signal)}%",
        "tone": "text",
        "confidence": _percent(signal),
        "text": messages.first_sentences(readable(narrative), NARRATIVE_CHARS),
        "details": f"{messages.confidence_words(signal.ai_confidence)} · {details}",
        "prices": prices,
    }


def _outcome_row(signal: Signal) -> Row:
    won = signal.outcome == Outcome.WIN
    return {
        **_heading(signal),
        "figure": _("Target reached") if won else _("Stop reached"),
        "tone": "won" if won else "lost",
        "confidence": None,
        "text": "",
        "details": f"{_percent(signal)}% · {_strategy(signal)}",
        "prices": "",
    }


def _heading(signal: Signal) -> Heading:
    return {
        "side": signal.side,
        "side_label": _("Buy") if signal.side == Side.BUY else _("Sell"),
        "symbol": readable(signal.symbol),
        "timeframe": messages.shown_timeframe(signal.timeframe),
        "url": addresses.site(signal.get_absolute_url()),
    }


def _until(signal: Signal) -> str:
    return _("%(strategy)s · live until %(time)s") % {
        "strategy": readable(signal.strategy),
        "time": _time(signal.expires_at),
    }


def _prices(signal: Signal) -> str:
    named = ((_("Entry"), signal.price), (_("Stop"), signal.sl), (_("Target"), signal.tp))
    shown = (f"{name} {price:.{signal.price_places}f}" for name, price in named if price is not None)
    return " · ".join(shown)


def _strategy(signal: Signal) -> str:
    return f"{readable(signal.strategy)} · {_time(signal.received_at)}"


def _time(moment: dt.datetime) -> str:
    return date_format(timezone.localtime(moment), "SHORT_DATETIME_FORMAT")


def _kept_back(digest: Digest) -> KeptBack | None:
    rows = [(str(Reason(reason).label), count) for reason, count in digest.hidden]
    if digest.held_count:
        rows.insert(0, (_("Held until your quiet hours end"), digest.held_count))
    return KeptBack(_("Held or hidden by your preferences"), rows) if rows else None


def _percent(signal: Signal) -> int:
    return math.floor(signal.ai_confidence)  # down, so that 79.6 never reads as 80


def readable(text: str) -> str:
    """In one line, without control characters and without what turns the reading direction."""
    kept = (sign for sign in text if (sign not in TURNING and unicodedata.category(sign) != "Cc") or sign in "\n\t\r ")
    return messages.fold("".join(kept))
