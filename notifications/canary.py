"""An insight of our own through the whole site: whether it arrives, how long each stage took, and which one is broken.

A trader is made for it, is gone afterwards (`probe_traders`), and follows a socket as a browser does. The first insight
comes in by the webhook. Where Celery hands out what is for everybody, a second one, of the same trader, is handed to
the workers. Nobody else is told anything.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import secrets
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseFault
from django.db import transaction
from prometheus_client import CollectorRegistry, write_to_textfile
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from notifications import brake, dispatching, probe_traders
from notifications.canary_stages import Stage
from notifications.delivery.websocket import NOT_TAKEN
from notifications.models import DeliveryState, InsightDispatch, InsightNotification, NotificationDeliveryLog
from notifications.preferences import Channel
from notifications.probe_traders import CANARY, Trader
from notifications.stream_client import Account, SignedOutError, StreamClient
from notifications.stream_state import Row
from signals.models import Signal, TradeValidation, ValidationStatus
from signals.webhook_client import AddressError, UnreachableError, WebhookClient

SYMBOL, STRATEGY = "CANARY", "Canary"
# A hint takes some milliseconds. What a server finds by itself it looks for once a second at most.
HINT_WITHIN_S = 0.8
# Of a run that could not clean up after itself; a longer one is none.
LEFT_OVER = dt.timedelta(minutes=10)
POLL_S = 0.02


class BrokenError(Exception):
    """A stage does not work. The text is one sentence that says what, and one that says what to do."""

    def __init__(self, stage: Stage, what: str, advice: str) -> None:
        super().__init__(f"{what} {advice}")
        self.stage = stage


@dataclass(slots=True)
class Report:
    """Seconds by stage, of those that were reached; what is broken, if anything; what could not be tried, and why."""

    took_s: dict[Stage, float] = field(default_factory=dict)
    to_screen_s: float | None = None
    broken: BrokenError | None = None
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def timed(self, stage: Stage) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.took_s[stage] = time.monotonic() - began


def fly(site: str, *, timeout_s: float) -> Report:
    """Try every stage, each for so long at most, up to the first that is broken; clean up in any case."""
    report = Report()
    try:
        with ExitStack() as cleaning_up:
            _Flight(site, timeout_s, report, cleaning_up).fly()
    except BrokenError as broken:
        report.broken = broken
    except DatabaseFault as fault:
        report.broken = BrokenError(
            Stage.DATABASE,
            f"The database does not answer this command ({_first_line(fault)}).",
            "Start PostgreSQL, or see whether DATABASE_URL is right.",
        )
    return report


class _Flight:
    """One insight after another, stage by stage."""

    def __init__(self, site: str, timeout_s: float, report: Report, cleaning_up: ExitStack) -> None:
        self._site = site.rstrip("/")
        self._timeout_s = timeout_s
        self._report = report
        self._cleaning_up = cleaning_up

    def fly(self) -> None:
        with self._report.timed(Stage.DATABASE):
            probe_traders.remove(CANARY, older_than=LEFT_OVER)
            [trader] = self._cleaning_up.enter_context(probe_traders.traders(CANARY, 1))
        self._ask_server()
        account = Account(self._site, trader.user_id, trader.cookie)
        listener = self._cleaning_up.enter_context(_listening(account))
        self._connect(listener)
        posted_at = time.monotonic()
        signal_id = self._post(trader)
        if brake.is_engaged():
            self._wait_for(lambda: _notification(signal_id) is not None)
            self._report.notes.append("The brake is engaged: what comes after the dispatch could not be tried.")
            self._check_dispatched(signal_id)
            return
        row = self._receive(listener, signal_id, since=time.monotonic())
        self._report.to_screen_s = max(0.0, listener.arrived_at[signal_id] - posted_at)
        self._check_acknowledged(row["id"])
        self._check_listed(account, row["id"])
        self._try_worker(trader, listener)

    # --- The way in -------------------------------------------------------------------------------------------------

    def _ask_server(self) -> None:
        with self._report.timed(Stage.SERVER):
            status, _ = _get(f"{self._site}/livez", self._timeout_s)
        if status != 200:
            how = f"answers /livez with {status}" if status else "does not answer"
            raise BrokenError(
                Stage.SERVER,
                f"The site cannot be reached: {self._site} {how}.",
                "Start nginx and the zenithedge-daphne or zenithedge-uvicorn units; when they run, ask each server for "
                "/livez at its own port, and restart the one that hangs.",
            )
        with self._report.timed(Stage.CHANNEL_LAYER):
            status, parts = _get(f"{self._site}/readyz", self._timeout_s)
        if parts.get("database") is False:
            raise BrokenError(
                Stage.DATABASE,
                "The database does not answer the server.",
                "Start PostgreSQL; see the server's log.",
            )
        if parts.get("channel_layer") is False:
            raise BrokenError(
                Stage.CHANNEL_LAYER,
                "The channel layer does not take a message: Redis does not answer the server.",
                "Start Redis; nothing is lost meanwhile, but hints are late and Celery stands still.",
            )
        if status != 200:
            raise BrokenError(
                Stage.SERVER, f"The server answers /readyz with {status or 'nothing'}.", "Its log says why."
            )

    def _connect(self, listener: _Listener) -> None:
        with self._report.timed(Stage.SOCKET):
            level = self._wait_for(lambda: listener.client.level or listener.client.signed_out)
        if listener.client.signed_out:
            raise BrokenError(
                Stage.SOCKET,
                "The server does not know a session that was just made.",
                "See whether this command has the server's DATABASE_URL and DJANGO_SECRET_KEY.",
            )
        if not level and listener.client.connects:
            raise BrokenError(Stage.LIST, "The list cannot be read over HTTP.", "The server's log has a traceback.")
        if not level:
            closes = ", ".join(map(str, sorted(listener.client.closes))) or "no answer"
            raise BrokenError(
                Stage.SOCKET,
                f"No socket could be opened ({closes}).",
                "See whether nginx passes the upgrade on for /stream/, and what the server's log says of WebSockets.",
            )

    def _post(self, trader: Trader) -> int:
        try:
            with self._report.timed(Stage.WEBHOOK):
                client = WebhookClient(self._site)
                self._cleaning_up.callback(client.close)
                answer = client.post(trader.token, _alert())
        except (UnreachableError, AddressError) as error:
            raise BrokenError(
                Stage.WEBHOOK, f"The webhook does not answer: {error}.", "See nginx's and the server's logs."
            ) from error
        if answer.status == 503:
            raise BrokenError(Stage.DATABASE, "The webhook cannot store an alert (503).", "See PostgreSQL and its log.")
        if answer.status != 201:
            raise BrokenError(
                Stage.WEBHOOK,
                f"The webhook refuses a good alert with {answer.status}.",
                "The body of the answer, and Connect TradingView's list of requests, say why.",
            )
        signal_id: int = answer.body["signal_id"]
        return signal_id

    # --- The way out ------------------------------------------------------------------------------------------------

    def _receive(self, listener: _Listener, signal_id: int, *, since: float) -> Row:
        """The insight, as the socket brought it; `since`: when it was to be on its way at the latest."""
        arrived = self._wait_for(lambda: signal_id in listener.arrived_at)
        notification = self._check_dispatched(signal_id)
        late_s = listener.arrived_at.get(signal_id, 0.0) - since
        if arrived and late_s <= HINT_WITHIN_S:
            self._report.took_s[Stage.HINT] = max(0.0, late_s)
            return listener.rows[signal_id]
        if not _was_taken(notification.pk):
            what = "The insight was handed out, and its hint could not be handed to the channel layer."
        elif arrived:
            what = f"The insight was on the socket after {late_s:.1f} s only: a server found it, no hint brought it."
        else:
            what = "The insight was handed out and its hint was sent, but nothing came over the socket."
        raise BrokenError(Stage.HINT, what, _advice_on_hints())

    def _check_dispatched(self, signal_id: int) -> InsightNotification:
        notification = _notification(signal_id)
        if notification is not None:
            received_at = notification.signal.received_at
            self._report.took_s.setdefault(
                Stage.DISPATCH, max(0.0, (notification.created_at - received_at).total_seconds())
            )
            return notification
        dispatch = InsightDispatch.objects.filter(signal_id=signal_id).order_by("revision").last()
        if dispatch is None:
            what = "The alert was stored, but not to be handed out to anybody."
        elif not dispatch.finished:
            what = f"The insight was not handed out: its dispatch is {dispatch.state}. {dispatch.last_error}".rstrip()
        else:
            what = f"The insight was kept from its owner: {dispatch.counts or dispatch.state}."
        raise BrokenError(
            Stage.DISPATCH, what, f"See the dispatch of insight {signal_id} in the server's log: it says what failed."
        )

    def _check_acknowledged(self, notification_id: int) -> None:
        logs = NotificationDeliveryLog.objects.filter(
            notification_id=notification_id, channel=Channel.WEBSOCKET, state=DeliveryState.ACKNOWLEDGED
        )
        with self._report.timed(Stage.ACKNOWLEDGEMENT):
            acknowledged = self._wait_for(logs.exists)
        if not acknowledged:
            raise BrokenError(
                Stage.ACKNOWLEDGEMENT,
                "The insight came over the socket, but the server does not record that it was acknowledged.",
                "See the server's log for WebSocket commands that failed.",
            )

    def _check_listed(self, account: Account, notification_id: int) -> None:
        try:
            with self._report.timed(Stage.LIST):
                listed = {row["id"] for row in account.read_list()["rows"]}
        except (OSError, SignedOutError) as error:
            raise BrokenError(
                Stage.LIST, f"The list cannot be read over HTTP: {error}.", "The server's log has a traceback."
            ) from error
        if notification_id not in listed:
            raise BrokenError(
                Stage.LIST, "The insight is not in the list.", "See whether servers and command use one database."
            )

    # --- The workers ------------------------------------------------------------------------------------------------

    def _try_worker(self, trader: Trader, listener: _Listener) -> None:
        if not settings.CELERY_BROKER_URL:
            self._report.notes.append("There is no broker (REDIS_URL): no Celery worker to try.")
            return
        from notifications import tasks  # a site without a broker never loads Celery

        signal_id, dispatch_id = _open_dispatch(trader)
        with self._report.timed(Stage.WORKER):
            taken = tasks.enqueue_dispatch(dispatch_id)
            finished = taken and self._wait_for(lambda: _is_finished(dispatch_id))
        if not taken:
            raise BrokenError(
                Stage.CHANNEL_LAYER, "The broker does not take a task.", "Start Redis; see whether REDIS_URL is right."
            )
        if not finished:
            raise BrokenError(
                Stage.WORKER,
                f"No Celery worker has done a task within {self._timeout_s:g} s.",
                "Start the zenithedge-worker units; when they run, they are busy or hang, and their log says at what.",
            )
        self._receive(listener, signal_id, since=time.monotonic())

    def _wait_for(self, holds: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + self._timeout_s
        while not holds():
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_S)
        return True


# --- The socket -----------------------------------------------------------------------------------------------------


class _Listener:
    """A client in a thread of its own, with what has arrived at it by signal id."""

    def __init__(self, account: Account) -> None:
        self.rows: dict[int, Row] = {}
        self.arrived_at: dict[int, float] = {}
        self.client = StreamClient(account, on_arrival=self._note)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="canary", daemon=True)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._cancel)
        self._thread.join()

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            self._task = self._loop.create_task(self.client.run())
            self._loop.run_until_complete(self._task)
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _note(self, row: Row) -> None:
        self.rows[row["signal_id"]] = row
        self.arrived_at.setdefault(row["signal_id"], time.monotonic())


@contextmanager
def _listening(account: Account) -> Iterator[_Listener]:
    listener = _Listener(account)
    listener.start()
    try:
        yield listener
    finally:
        listener.stop()


# --- What the database says -----------------------------------------------------------------------------------------


def _notification(signal_id: int) -> InsightNotification | None:
    return InsightNotification.objects.filter(signal_id=signal_id).select_related("signal").first()


def _was_taken(notification_id: int) -> bool:
    """Whether the channel layer took its hint, as far as is on record."""
    logs = NotificationDeliveryLog.objects.filter(notification_id=notification_id, channel=Channel.WEBSOCKET)
    return not logs.filter(error_message=NOT_TAKEN).exists()


def _is_finished(dispatch_id: int) -> bool:
    return not InsightDispatch.objects.unfinished().filter(pk=dispatch_id).exists()


def _open_dispatch(trader: Trader) -> tuple[int, int]:
    """An insight that is to be handed out and that nobody here does; the ids of signal and dispatch."""
    with transaction.atomic():
        signal = Signal.objects.create(
            user_id=trader.user_id, symbol=SYMBOL, timeframe="1h", side="sell", sl=2, tp=1, confidence=82,
            strategy=STRATEGY, source="canary",
        )  # fmt: skip
        validation = TradeValidation(signal=signal, truth_index=Decimal(82), status=ValidationStatus.APPROVED)
        TradeValidation.objects.bulk_create([validation])  # past the receiver, which would have it run here
        dispatch_id = dispatching.open_revision(validation)
    if dispatch_id is None:
        raise BrokenError(Stage.DISPATCH, "A dispatch could not be recorded.", "See this command's log.")
    return signal.pk, dispatch_id


# --- Small things ---------------------------------------------------------------------------------------------------


def _alert() -> dict[str, Any]:
    return {
        "symbol": SYMBOL,
        "timeframe": "1h",
        "side": "buy",
        "sl": "1",
        "tp": "2",
        "confidence": 82,
        "strategy": STRATEGY,
        "alert_id": secrets.token_hex(8),
    }


def _get(url: str, timeout_s: float) -> tuple[int, dict[str, Any]]:
    """Status and JSON of an answer; 0 without one."""
    past_proxies = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with past_proxies.open(url, timeout=timeout_s) as response:
            return response.status, _object(response.read())
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, _object(refusal.read())
    except (OSError, ValueError):
        return 0, {}


def _object(content: bytes) -> dict[str, Any]:
    with suppress(ValueError):
        decoded = json.loads(content)
        if isinstance(decoded, dict):
            return decoded
    return {}


def _advice_on_hints() -> str:
    if settings.REDIS_URL:
        return "See whether Redis answers and whether servers, workers and this command have the same REDIS_URL."
    return "Without REDIS_URL there may be one server process only, and this command's --url must be its own."


def _first_line(fault: Exception) -> str:
    return (str(fault).strip() or type(fault).__name__).splitlines()[0]


# --- For Prometheus -------------------------------------------------------------------------------------------------


class Figures(Collector):
    """A run as metrics."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def collect(self) -> Iterator[Metric]:
        success = GaugeMetricFamily("zenithedge_canary_success", "1 when the last run found every stage in order.")
        success.add_metric([], self._report.broken is None)
        yield success
        run_at = GaugeMetricFamily("zenithedge_canary_last_run_timestamp_seconds", "When the last run ended.")
        run_at.add_metric([], time.time())
        yield run_at
        broken = GaugeMetricFamily("zenithedge_canary_broken", "1 for the stage that is broken.", labels=["stage"])
        took = GaugeMetricFamily("zenithedge_canary_stage_seconds", "What each stage took.", labels=["stage"])
        for stage in Stage:
            broken.add_metric([stage], self._report.broken is not None and self._report.broken.stage is stage)
            if stage in self._report.took_s:
                took.add_metric([stage], self._report.took_s[stage])
        yield broken
        yield took


def write_metrics(report: Report, path: Path) -> None:
    """For node_exporter's textfile collector; the file is replaced whole. Raises OSError."""
    registry = CollectorRegistry()
    registry.register(Figures(report))
    write_to_textfile(str(path), registry)
