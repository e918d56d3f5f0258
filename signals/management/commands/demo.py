"""Run the site with demo accounts and a replay of market data, until Ctrl-C."""

import subprocess
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser

from signals import demo, demo_processes
from zenithedge.commands import Command as BaseCommand

LAST_LINES = 20


class Command(BaseCommand):
    help = (
        "Migrate, make the demo accounts, start the server on a free port and the market replay beside it, until "
        "Ctrl-C or SIGTERM."
    )
    when = "To look at the site; `make run` calls it. Not on a database that people use."
    examples = ("", "--from 2024-06-01 --per-minute 60")
    interrupted = True  # before the server runs; from then on the demo watches for signals itself

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--from", dest="start", default="2024-01-01", help="first day of the replay")
        parser.add_argument("--per-minute", type=int, default=15, help="alerts a minute (default: 15)")

    def ends_well_when_stopped(self, **options: Any) -> bool:
        return True

    def work(self, **options: Any) -> None:
        try:
            secrets = self._prepare()
            with demo_processes.StopRequest() as stop:
                self._run(secrets, stop, options)
        except (demo.DemoError, demo_processes.ProcessError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self._say("Stopped before the start.")

    def _prepare(self) -> demo.Secrets:
        self._say("Preparing the database and the demo accounts ...")
        call_command("migrate", interactive=False, verbosity=0)
        return demo.prepare(settings.VAR_DIR / "demo.json")

    def _run(self, secrets: demo.Secrets, stop: demo_processes.StopRequest, options: dict[str, Any]) -> None:
        port = demo_processes.free_port()
        log = settings.LOG_FILE.with_name("server.log")
        replay_options = ["--from", options["start"], "--per-minute", str(options["per_minute"]), "--loop"]
        with demo_processes.server(port, log) as server:
            try:
                if demo_processes.wait_until_live(port, server, stop):
                    self._introduce(port, secrets, log)
                    with demo_processes.replay(port, secrets.tokens.values(), replay_options) as replay:
                        demo_processes.watch(server, replay, stop, lambda: self._on_replay_end(replay))
            except demo_processes.ProcessError:
                self._show_end_of(log)
                raise
            self._say("\nStopping ...")
        self._say("Stopped.")

    def _introduce(self, port: int, secrets: demo.Secrets, log: Path) -> None:
        address = demo_processes.site_url(port)
        roles = dict.fromkeys(demo.TRADERS, "trader") | {demo.ADMIN: f"admin, {address}/admin/"}
        lines = [f"    {name:<8}{secrets.passwords[name]}    {role}" for name, role in roles.items()]
        self._say("")
        self._say(self.style.SUCCESS(f"  ZenithEdge runs at {address}/"))
        self._say("\n".join(["", "  Sign in as", *lines, "", f"  Logs: {settings.LOG_FILE}, {log}"]))
        self._say("  Real market data is being replayed into the webhook, over and over. Ctrl-C ends everything.\n")

    def _on_replay_end(self, replay: "subprocess.Popen[bytes]") -> None:
        self._say(
            f"The replay has ended ({demo_processes.ending(replay)}). The site goes on without it; Ctrl-C ends it."
        )

    def _show_end_of(self, log: Path) -> None:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
        self._say("\n".join(["", f"The end of {log}:", *(f"    {line}" for line in lines), ""]))

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
