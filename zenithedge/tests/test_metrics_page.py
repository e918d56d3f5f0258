"""The metrics' page, the alert rules and the dashboard name what there is, and the page names all of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import yaml
from django.conf import settings
from prometheus_client import REGISTRY as LIBRARYS_OWN
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import mmap_key

from notifications import canary, metrics
from notifications.canary import Figures
from notifications.canary_stages import Stage
from notifications.preferences import Reason
from notifications.schedule import JOBS
from zenithedge import exposition, shared_values, sign_in
from zenithedge.shared_values import REGISTRY

PAGE = (settings.BASE_DIR / "docs/metrics.md").read_text(encoding="utf-8")
PROMETHEUS = settings.BASE_DIR / "deploy/prometheus"
RULES: dict[str, Any] = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text(encoding="utf-8"))
DASHBOARD: dict[str, Any] = json.loads((settings.BASE_DIR / "deploy/grafana/zenithedge.json").read_text("utf-8"))
NAME = re.compile(r"\bzenithedge_\w+")

pytestmark = pytest.mark.django_db


class Described(NamedTuple):
    name: str
    kind: str
    labels: frozenset[str]


def documented() -> set[Described]:
    rows = re.findall(r"^\| `(zenithedge_\w+)` \| (\w+) \|(.*?)\|", PAGE, re.MULTILINE)
    return {Described(name, kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def counted() -> Iterator[Described]:
    """What is declared in the code; the page calls a counter as it is exposed."""
    assert sign_in.SIGN_INS_REFUSED in REGISTRY._collector_to_names  # declared where it is counted
    for metric in REGISTRY._collector_to_names:
        assert isinstance(metric, MetricWrapperBase)
        assert metric._type is not None
        suffix = "_total" if metric._type == "counter" else ""
        yield Described(metric._name + suffix, metric._type, frozenset(metric._labelnames))


def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Described]:
    """What is asked for at a scrape, or told by the canary."""
    monkeypatch.setenv(shared_values.DIRECTORY_VARIABLE, "/")
    flown = canary.Report(took_s={Stage.SERVER: 0.1})
    families: list[Metric] = [*exposition.present().collect(), *Figures(flown).collect()]
    for family in families:
        yield Described(family.name, family.type, frozenset(family.samples[0].labels))


@pytest.fixture
def present(monkeypatch: pytest.MonkeyPatch) -> set[Described]:
    return {*counted(), *asked(monkeypatch)}


def series(described: set[Described]) -> set[str]:
    """The names that a query may ask for."""
    parts = {"histogram": ("_bucket", "_sum", "_count")}
    return {one.name + suffix for one in described for suffix in parts.get(one.kind, ("",))}


def test_the_page_has_each_metric_with_its_kind_and_labels_and_no_other(present: set[Described]) -> None:
    assert documented() == present


def test_all_metrics_are_in_our_registry() -> None:
    ours = [name for name in LIBRARYS_OWN._names_to_collectors if name.startswith("zenithedge")]
    assert ours == []


def test_the_alert_rules_ask_for_metrics_that_there_are(present: set[Described]) -> None:
    rules = [rule for group in RULES["groups"] for rule in group["rules"]]
    asked_for = {name for rule in rules for name in NAME.findall(rule["expr"] + rule["annotations"]["description"])}
    assert asked_for - series(present) == set()


def test_each_alert_says_for_how_long_how_bad_what_and_where_to_read_on() -> None:
    for group in RULES["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in {"critical", "warning"}
            assert rule["annotations"].keys() == {"summary", "description", "runbook"}
            assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
            assert "for" in rule


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def test_the_dashboard_shows_each_metric_and_no_other(present: set[Described]) -> None:
    shown = {
        name for panel in panels(DASHBOARD) for target in panel["targets"] for name in NAME.findall(target["expr"])
    }
    assert shown - series(present) == set()
    assert {one.name for one in present if not any(name.startswith(one.name) for name in shown)} == set()


def test_the_dashboard_asks_the_source_that_one_chooses_and_every_panel_explains_itself() -> None:
    [source] = [variable for variable in DASHBOARD["templating"]["list"] if variable["type"] == "datasource"]
    for panel in panels(DASHBOARD):
        assert panel["datasource"] == {"type": "prometheus", "uid": f"${{{source['name']}}}"}
        assert panel["title"]
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))


def test_the_dashboards_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert taken.isdisjoint(cells)
        taken |= cells


def test_each_rule_has_a_case_in_which_it_fires() -> None:
    """`make lint` has promtool play them (scripts/alert_rules.py)."""
    cases: dict[str, Any] = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text(encoding="utf-8"))
    expected = [sample["labels"] for case in cases["tests"] for sample in case["promql_expr_test"][-1]["exp_samples"]]
    alerts = {rule["alert"] for group in RULES["groups"] for rule in group["rules"]}
    assert {re.sub(r'{alertname="(\w+)"}', r"\1", labels) for labels in expected} == alerts


def test_every_series_that_there_can_be_fits_into_the_files_that_are_reserved() -> None:
    """Those that the labels below can make, which is all but a few: with room for as many again of the others."""
    labels = {
        "stage": 4, "channel": 4, "state": 6, "priority": 3, "cause": 5, "reason": len(Reason), "found": 5,
        "code": len(metrics.CLOSE_CODES) + 1, "verdict": 20, "task": len(JOBS) + 2,
    }  # fmt: skip
    used = {"counter": 8, "histogram": 8, "gauge": 8}
    for metric in REGISTRY._collector_to_names:
        assert isinstance(metric, MetricWrapperBase)
        assert metric._type is not None
        children = 1
        for label in metric._labelnames:
            children *= labels[label]
        values = len(metric._kwargs["buckets"]) + 2 if metric._type == "histogram" else 1
        names = [*metric._labelnames, "le"]
        key = mmap_key(metric._name, f"{metric._name}_bucket", names, ["w" * 26 for _ in names], metric._documentation)
        used[metric._type] += children * values * (len(key) + 4 + 8 + 16)
    assert used["counter"] < shared_values.FILES["counter"]
    assert used["histogram"] < shared_values.FILES["histogram"]
    assert used["gauge"] < shared_values.FILES["gauge_max"]
