"""Stops sending for everybody, lets it go on, and says how it is; see `notifications.brake`."""

from __future__ import annotations

import getpass
import json
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.utils import timezone

from notifications import brake
from notifications.models import SendingBrake
from notifications.payloads import iso
from zenithedge.commands import Command as BaseCommand
from zenithedge.commands import Exit, MisuseError

STOPPED = 3


class Command(BaseCommand):
    help = (
        "Stop sending for everybody, while everything is stored; let it go on; or say how it is. While it is stopped "
        "no trader gets a new notification, push, webhook or e-mail, and a note on each of their pages says so. What "
        "would have been sent is held, and comes out in order once sending goes on; what has expired by then is closed "
        "without disturbing anybody. Each use is kept, with who, when and why, and shown in the admin under Brake. "
        "Running it twice changes nothing."
    )
    when = "When a source or a rule floods the traders, or before work on the site during which nobody is to be told."
    examples = ('on --reason "Source TV-7 repeats itself" --user ada', "status", "status --json", "off --user ada")
    exit_codes = {Exit.DONE: "done or already so; for status: sending is on", STOPPED: "for status: sending is stopped"}

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", choices=["on", "off", "status"], help="on: stop sending; off: let it go on.")
        parser.add_argument("--reason", default="", help="Why; needed for on. For staff and the record.")
        parser.add_argument(
            "--user", metavar="USERNAME", help="Who does it; a member of staff. Without: this machine's account."
        )
        parser.add_argument("--json", action="store_true", help="With status: as JSON.")

    def work(self, *, what: str, reason: str, user: str | None, json: bool, **options: Any) -> Mapping[str, int]:
        if what == "status":
            self._status(as_json=json)
        elif what == "on":
            self._engage(reason, user)
        else:
            self._lift(user)
        return {"stopped": int(brake.is_engaged())}

    def _engage(self, reason: str, user: str | None) -> None:
        longest = SendingBrake._meta.get_field("reason").max_length or 0
        if not reason.strip() or len(reason) > longest:
            raise MisuseError(f"Say why: --reason '…', at most {longest} characters.")
        present, begun = brake.engage(reason, **_who(user))
        self.stdout.write(("Sending is stopped: " if begun else "Sending was stopped already: ") + str(present))

    def _lift(self, user: str | None) -> None:
        present = brake.engaged()
        if present is None or not brake.lift(present.pk, **_who(user)):
            self.stdout.write("Sending was on already.")
            return
        self.stdout.write(f"Sending goes on. {_waiting()} The schedule's next turns bring that out.")

    def _status(self, *, as_json: bool) -> None:
        present = brake.engaged()
        if as_json:
            self.stdout.write(json.dumps(_facts(present)))
        else:
            self.stdout.write(f"Sending is stopped, {present}" if present else "Sending is on.")
            self.stdout.write(_waiting())
        if present is not None:
            raise SystemExit(STOPPED)


def _who(username: str | None) -> dict[str, Any]:
    if username is None:
        return {"by": None, "name": f"{getpass.getuser()} (shell)"}
    model = get_user_model()
    user = model._default_manager.filter(**{model.USERNAME_FIELD: username}).first()
    if user is None or not user.is_active or not getattr(user, "is_staff", False):
        raise MisuseError(f"{username!r} is no active member of staff.")
    return {"by": user, "name": user.get_username()}


def _waiting() -> str:
    waiting = brake.waiting()
    return (
        f"Waiting: {waiting.notifications} notifications held by the brake, {waiting.deliveries} pushes and webhooks, "
        f"{waiting.digests} e-mails."
    )


def _facts(present: SendingBrake | None) -> dict[str, Any]:
    waiting = brake.waiting()
    return {
        "stopped": present is not None,
        "since": iso(present.engaged_at) if present else None,
        "seconds": int((timezone.now() - present.engaged_at).total_seconds()) if present else 0,
        "by": present.engaged_name if present else None,
        "reason": present.reason if present else None,
        "waiting": {
            "notifications": waiting.notifications,
            "deliveries": waiting.deliveries,
            "digests": waiting.digests,
        },
    }
