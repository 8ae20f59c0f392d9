"""Dashboards, rules and their document name only what the service measures, and show it."""

import asyncio
import csv
import io
import json
import math
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from yarl import URL

import fixtures
from fixtures.faults import Fault
from fixtures.replay import ReplayGateway
from service.catalog import Kind, Origin, Outcome, Reason, Status
from service.config import Settings
from service.metrics import WEBHOOK_RESULTS
from tests.promql import filled, names
from tests.receiver import SECRET
from tests.support import Client, Running, query, running_service

ROOT: Final = Path(__file__).parent.parent
PROMETHEUS: Final = ROOT / "deploy" / "prometheus"
GRAFANA: Final = ROOT / "deploy" / "grafana"
BOARDS: Final = sorted(GRAFANA.glob("*.json"))
DOCUMENT: Final = "docs/dashboards.md"
ADDRESS: Final = "http://127.0.0.1:8788"

PROMETHEUS_OWN: Final[Mapping[str, set[str]]] = {
    "up": set(),
    "ALERTS": {"alertname", "alertstate"},
}
"""What Prometheus itself knows of a target, beside the target's own labels."""
TARGET: Final = {"job", "instance"}
LABEL_VALUES: Final[Mapping[tuple[str, str], Sequence[str]]] = {
    ("model_catalog_refresh_total", "outcome"): list(Outcome),
    ("model_catalog_refresh_total", "reason"): list(Reason),
    ("model_catalog_models", "status"): list(Status),
    ("model_catalog_models", "origin"): list(Origin),
    ("model_catalog_changes_total", "kind"): list(Kind),
    ("model_catalog_webhook_deliveries_total", "result"): WEBHOOK_RESULTS,
}
"""Labels whose values are ours to say, by metric."""

Json = dict[str, Any]

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="what a process takes is measured on Linux only"
)


# ── what there is ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Measured:
    """What a running service says of itself, after it has seen good and bad days."""

    text: str
    routes: frozenset[str]

    @property
    def families(self) -> list[Metric]:
        return list(text_string_to_metric_families(self.text))

    @property
    def labels(self) -> dict[str, set[str]]:
        """The labels of every sample, by its name."""
        found: dict[str, set[str]] = {}
        for family in self.families:
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
        return found


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    return asyncio.run(_measure(tmp_path_factory.mktemp("measured")))


async def _measure(folder: Path) -> Measured:
    async with ReplayGateway(fixtures.path("hostile-2026-10-01.json")) as gateway:
        settings = Settings.load(
            {
                "gateway_url": gateway.url,
                "database_url": f"sqlite:///{folder / 'catalog.db'}",
                "admin_token": "let-me-in",
                "webhooks": [{"name": "prices", "url": "http://127.0.0.1:9/", "secret": SECRET}],
            }
        )
        async with running_service(settings) as running:
            await running.service.refresher.run()
            gateway.play(Fault.error(500))
            await running.client.ask(
                "POST", "/catalog/refresh", {"Authorization": "Bearer let-me-in"}
            )
            await running.client.get("/catalog/changes/stream?since=junk")
            await running.client.get("/catalog/models", if_none_match="*")
            routes = {
                route.resource.canonical
                for route in running.service.application().router.routes()
                if route.resource
            }
            text = (await running.client.get("/metrics")).body.decode()
            return Measured(text, frozenset(routes))


@cache
def rules(kind: str) -> list[Json]:
    """Those of rules.yml that are an `alert`, or a `record`."""
    groups = yaml.safe_load((PROMETHEUS / "rules.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


@cache
def load(board: Path) -> Json:
    made: Json = json.loads(board.read_text(encoding="utf-8"))
    return made


def panels(board: Path) -> list[Json]:
    """Those that show something."""
    return [panel for panel in load(board)["panels"] if panel["type"] != "row"]


def asked_of(board: Path, kind: str) -> Iterator[tuple[Json, Json]]:
    """Each panel and target that asks a data source of that type."""
    for panel in panels(board):
        for target in panel["targets"]:
            if target["datasource"]["type"] == kind:
                yield panel, target


def variable_queries(board: Path) -> list[str]:
    variables = load(board)["templating"]["list"]
    return [variable["query"]["query"] for variable in variables if variable["type"] == "query"]


@cache
def expressions() -> dict[str, str]:
    """Every expression, by where it stands."""
    found = {
        str(rule[kind]): str(rule["expr"]) for kind in ("record", "alert") for rule in rules(kind)
    }
    found |= {f"{DOCUMENT}: {query}": query for query in document_queries()}
    for board in BOARDS:
        for panel, target in asked_of(board, "prometheus"):
            found[f"{board.name}: {panel['title']} {target['refId']}"] = target["expr"]
        for asking in variable_queries(board):
            asked = re.fullmatch(r"label_values\((.*), (\w+)\)", asking)
            assert asked, asking
            found[f"{board.name}: {asking}"] = f"count by ({asked[2]}) ({asked[1]})"
    return found


def document_queries() -> list[str]:
    """The lines of PromQL in the document, without remarks."""
    text = (ROOT / DOCUMENT).read_text(encoding="utf-8")
    lines = re.findall(r"^```promql\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [line for block in lines for line in block.splitlines() if not line.startswith("#")]


def all_rules() -> list[Json]:
    return rules("record") + rules("alert")


def table(*heading: str) -> list[list[str]]:
    """The rows of the document's table under that heading, without their backticks."""
    text = (ROOT / DOCUMENT).read_text(encoding="utf-8")
    lines = text.partition("| " + " | ".join(heading) + " |\n")[2].splitlines()
    rows = [line for line in lines[: lines.index("")] if not line.startswith("| ---")]
    return [[cell.strip().strip("`") for cell in row.strip("|").split(" | ")] for row in rows]


# ── names ─────────────────────────────────────────────────────────────────────────────────────


def test_the_names_in_an_expression_are_found() -> None:
    found = names(
        'max by (a, b) (rate(one_total{x=~"y|z", u!="v.*"}[5m]) offset 1h) / on (c) group_left '
        "sum(two) > bool 0.5 unless three:sum5m and time() - four"
    )

    assert found.metrics == {"one_total", "two", "three:sum5m", "four"}
    assert found.matched == {"one_total": {"x": {"y", "z"}, "u": set()}}
    assert found.grouped == {"a", "b", "c"}


@pytest.mark.parametrize("where", expressions())
def test_whatever_an_expression_names_is_measured(where: str, measured: Measured) -> None:
    known = {**measured.labels, **PROMETHEUS_OWN}
    if where in {rule.get("alert") for rule in rules("alert")}:
        known |= {rule["record"]: names(rule["expr"]).grouped for rule in rules("record")}
    found = names(expressions()[where])

    assert found.metrics <= known.keys()
    for metric, labels in found.matched.items():
        assert labels.keys() <= known[metric] | TARGET
    assert found.grouped <= TARGET.union(*(known[metric] for metric in found.metrics))


@pytest.mark.parametrize("where", expressions())
def test_every_value_that_an_expression_asks_for_can_be(where: str, measured: Measured) -> None:
    for metric, labels in names(expressions()[where]).matched.items():
        for label, values in labels.items():
            if (metric, label) in LABEL_VALUES:
                assert values <= set(LABEL_VALUES[metric, label])
            elif label == "route":
                assert values <= measured.routes
            elif label == "status":
                assert all(100 <= int(value) <= 599 for value in values)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.stem)
def test_every_legend_names_labels_that_its_expression_has(board: Path) -> None:
    for panel, target in asked_of(board, "prometheus"):
        used = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        found = names(target["expr"])
        assert used <= (found.grouped or TARGET | {"source", "webhook"}), panel["title"]


# ── dashboards ────────────────────────────────────────────────────────────────────────────────


def test_there_is_a_dashboard_for_each_of_health_content_and_models() -> None:
    assert [board.stem for board in BOARDS] == ["content", "health", "models"]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.stem)
def test_a_dashboard_belongs_to_no_grafana_in_particular(board: Path) -> None:
    made = load(board)

    assert "id" not in made
    assert made["uid"] == f"model-catalog-{board.stem}"
    assert made["schemaVersion"] == 42
    variables = {variable["name"]: variable for variable in made["templating"]["list"]}
    sources = [source for source in found_under(made, "datasource") if source["type"] != "grafana"]
    assert sources
    for source in sources:
        variable = variables[source["uid"].removeprefix("${").removesuffix("}")]
        assert (variable["type"], variable["query"]) == ("datasource", source["type"])
    assert board.read_text(encoding="utf-8") == (
        json.dumps(made, indent=2, ensure_ascii=False) + "\n"
    )


def found_under(value: object, key: str) -> Iterator[Any]:
    """Every value of that key, however deep."""
    if isinstance(value, dict):
        if key in value:
            yield value[key]
        value = list(value.values())
    if isinstance(value, list):
        for below in value:
            yield from found_under(below, key)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.stem)
def test_grafanas_own_models_read_all_of_a_dashboard(board: Path) -> None:
    register_default_plugins()  # the models of each kind of panel and query

    model = Dashboard.from_json(load(board))

    read = json.loads(JSONEncoder().encode(model))
    # `definition` is how the editor shows a variable's query; it has no model.
    assert set(lost(load(board), read)) - {"templating.list.definition"} == set()


def lost(written: Any, read: Any, path: str = "") -> Iterator[str]:
    """Where something that was written is not there, or is something else."""
    match written, read:
        case dict(), dict():
            for key in written:
                yield from lost(written[key], read.get(key), f"{path}.{key}".removeprefix("."))
        case list(), list() if len(written) == len(read):
            for one, other in zip(written, read, strict=True):
                yield from lost(one, other, path)
        case _ if written != read:
            yield path


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.stem)
def test_panels_fill_a_dashboard_without_gap_or_overlap(board: Path) -> None:
    cells: Counter[tuple[int, int]] = Counter()
    for panel in load(board)["panels"]:
        at = panel["gridPos"]
        columns, lines = range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])
        cells.update((x, y) for x in columns for y in lines)

    height = 1 + max(y for _, y in cells)
    assert cells == Counter((x, y) for x in range(24) for y in range(height))


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.stem)
def test_every_panel_has_a_number_a_title_a_description_and_a_unit(board: Path) -> None:
    every = load(board)["panels"]

    assert all(count == 1 for count in Counter(panel["id"] for panel in every).values())
    assert all(count == 1 for count in Counter(panel["title"] for panel in every).values())
    for panel in panels(board):
        assert panel["type"] in {"bargauge", "stat", "state-timeline", "table", "timeseries"}
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(refs) == len(set(refs)), panel["title"]


def test_the_dashboards_lead_to_one_another() -> None:
    made = {board.stem: load(board) for board in BOARDS}

    every = {board["uid"] for board in made.values()}
    for board in made.values():
        linked = {link["url"].removeprefix("/d/") for link in board["links"]}
        assert linked == every - {board["uid"]}


def test_what_is_provisioned_is_what_the_dashboards_ask_for() -> None:
    (sources,) = (GRAFANA / "provisioning" / "datasources").iterdir()
    (providers,) = (GRAFANA / "provisioning" / "dashboards").iterdir()
    made = yaml.safe_load(sources.read_text(encoding="utf-8"))
    provider = yaml.safe_load(providers.read_text(encoding="utf-8"))

    wanted = {
        variable["query"]
        for board in BOARDS
        for variable in load(board)["templating"]["list"]
        if variable["type"] == "datasource"
    }
    assert {source["type"] for source in made["datasources"]} == wanted
    assert made["apiVersion"] == provider["apiVersion"] == 1
    (path,) = [one["options"]["path"] for one in provider["providers"]]
    assert f"{path.removeprefix('$')}=" in (ROOT / DOCUMENT).read_text(encoding="utf-8")


# ── the models themselves ─────────────────────────────────────────────────────────────────────


def infinity_path(target: Json) -> str:
    """What is asked, with the dashboard's variables as they are at first."""
    variables = {v["name"]: v for v in load(GRAFANA / "models.json")["templating"]["list"]}
    url: str = target["url"]
    for name in ("service", "needs"):
        url = url.replace(f"${{{name}:raw}}", variables[name]["current"]["value"])
    assert url.startswith(ADDRESS)
    return url.removeprefix(ADDRESS)


async def infinity_rows(client: Client, target: Json) -> list[Json]:
    """The rows that Infinity makes of an answer."""
    answer = await client.get(infinity_path(target))
    assert answer.status == 200, answer
    if target["type"] == "csv":
        return list(csv.DictReader(io.StringIO(answer.body.decode())))
    found = answer.json()
    return list(found[target["root_selector"]]) if target["root_selector"] else [found]


def at_path(row: Json, selector: str) -> Any:
    if selector in row:
        return row[selector]
    head, _, below = selector.partition(".")
    return at_path(row[head], below)


async def test_every_column_of_infinity_is_answered_as_its_type(running: Running) -> None:
    await running.service.refresher.run()

    for panel, target in asked_of(GRAFANA / "models.json", "yesoreyeram-infinity-datasource"):
        rows = await infinity_rows(running.client, target)
        assert rows, panel["title"]
        for column in target["columns"]:
            values = [at_path(row, column["selector"]) for row in rows]
            told = [value for value in values if value not in {None, ""}]
            assert told, (panel["title"], column)
            if column["type"] == "number":
                assert all(math.isfinite(float(value)) for value in told)
            if column["type"] == "timestamp":
                assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\S+Z", value) for value in told)


def test_infinity_parses_on_grafanas_server_and_keeps_the_names_of_columns() -> None:
    for _, target in asked_of(GRAFANA / "models.json", "yesoreyeram-infinity-datasource"):
        assert target["parser"] == "backend"  # what alerts and shared dashboards need
        for column in target["columns"]:
            # Of CSV it takes the word false for unknown; a column is renamed in the panel.
            assert column["text"] == column["selector"]
            assert column["type"] in {"number", "string", "timestamp"}


# ── promtool ──────────────────────────────────────────────────────────────────────────────────


def promtool(*arguments: str | Path, text: str | None = None) -> str:
    """Run it to a good end, and return what it said."""
    if (program := shutil.which("promtool")) is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    ended = subprocess.run(
        [program, *arguments],
        input=text,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def test_prometheus_takes_the_configuration_and_the_rules() -> None:
    said = promtool("check", "config", PROMETHEUS / "prometheus.yml")

    assert f"{len(all_rules())} rules found" in said


def test_every_alert_fires_when_it_should_and_not_when_it_should_not() -> None:
    promtool("test", "rules", PROMETHEUS / "rules.test.yml")


def test_prometheus_has_nothing_to_say_against_the_metrics(measured: Measured) -> None:
    assert promtool("check", "metrics", text=measured.text) == ""


def test_every_panel_shows_something_of_a_running_service(
    measured: Measured, tmp_path: Path
) -> None:
    asked = [
        target["expr"]
        for board in BOARDS
        for _, target in asked_of(board, "prometheus")
        if "ALERTS" not in target["expr"]  # none fires
    ]
    shown = {"labels": "{}", "value": 1}
    test = {
        "interval": "1m",
        "input_series": [_growing(sample) for f in measured.families for sample in f.samples],
        "promql_expr_test": [
            {"expr": f"count({filled(one)}) > bool 0", "eval_time": "3h", "exp_samples": [shown]}
            for one in asked + document_queries()
        ],
    }
    file = tmp_path / "panels.test.yml"
    file.write_text(json.dumps({"tests": [test]}), encoding="utf-8")

    promtool("test", "rules", file)


def _growing(sample: Any) -> Json:
    """One sample as three hours of a series: counters go on as they began."""
    labels = {**sample.labels, "job": "model-catalog", "instance": "127.0.0.1:8788"}
    told = ", ".join(f"{name}={json.dumps(value)}" for name, value in labels.items())
    value = 0.0 if math.isnan(sample.value) else sample.value
    is_counter = sample.name.endswith(("_total", "_bucket", "_count", "_sum"))
    step = value if is_counter else 0.0
    return {"series": f"{sample.name}{{{told}}}", "values": f"{value:f}+{step:f}x180"}


# ── alerts ────────────────────────────────────────────────────────────────────────────────────


def test_every_alert_says_what_is_wrong_what_to_do_and_how_bad_it_is() -> None:
    for alert in rules("alert"):
        name = alert["alert"]
        assert name.startswith("ModelCatalog")
        assert re.fullmatch(r"\d+m", alert["for"]), name
        assert alert["labels"].keys() == {"severity"}, name
        assert alert["labels"]["severity"] in {"warning", "critical"}, name
        assert alert["annotations"].keys() == {"summary", "description"}, name
        assert len(alert["annotations"]["description"]) > 100, name


def test_every_alert_is_tested_firing_and_not_firing() -> None:
    tests = yaml.safe_load((PROMETHEUS / "rules.test.yml").read_text(encoding="utf-8"))["tests"]
    cases = [case for test in tests for case in test.get("alert_rule_test", ())]

    every = {alert["alert"] for alert in rules("alert")}
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == every
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == every


def test_every_path_and_setting_that_an_alert_names_is_there(measured: Measured) -> None:
    text = " ".join(alert["annotations"]["description"] for alert in rules("alert"))

    paths = set(re.findall(r"/(?:catalog|metrics)[\w/]*", text))
    assert "/catalog/status" in paths
    assert paths <= measured.routes
    settings = set(re.findall(r"MODEL_CATALOG_\w+", text))
    assert {name.removeprefix("MODEL_CATALOG_").lower() for name in settings} <= set(
        Settings.model_fields
    )


# ── the document ──────────────────────────────────────────────────────────────────────────────


def test_the_document_has_every_metric_as_it_is_measured(measured: Measured) -> None:
    told = table("Metric", "Type", "Labels", "Meaning")

    def name(family: Metric) -> str:
        return f"{family.name}_total" if family.type == "counter" else family.name

    def labels(family: Metric) -> set[str]:
        return {label for sample in family.samples for label in sample.labels} - {"le"}

    assert [name for name, *_ in told] == sorted(name for name, *_ in told)
    assert {name: (kind, words(under), meaning) for name, kind, under, meaning in told} == {
        name(family): (family.type, labels(family), family.documentation)
        for family in measured.families
    }


def words(cell: str) -> set[str]:
    return set(re.findall(r"[\w-]+", cell)) - {"—"}


def test_the_document_has_every_label_and_its_values(measured: Measured) -> None:
    told = {(of, label): values for label, of, values in table("Label", "Of", "Values")}

    for key, possible in LABEL_VALUES.items():
        assert words(told[key]) == set(possible), key
    labelled = {label for labels in measured.labels.values() for label in labels}
    assert {label for _, label in told} == labelled - {"le"}


def test_the_document_has_every_alert_as_the_rules_have_it() -> None:
    told = table("Alert", "Severity", "After", "Means", "What to do")

    assert [(name, severity, after) for name, severity, after, *_ in told] == [
        (alert["alert"], alert["labels"]["severity"], alert["for"]) for alert in rules("alert")
    ]
    assert all(means and do for *_, means, do in told)


def test_the_document_has_every_recorded_series() -> None:
    told = table("Recorded", "Meaning")

    assert [name for name, _ in told] == [rule["record"] for rule in rules("record")]


def test_the_document_has_every_dashboard() -> None:
    told = table("Dashboard", "File", "Shows")

    assert {(title, Path(file).name) for title, file, _ in told} == {
        (load(board)["title"], board.name) for board in BOARDS
    }


def test_every_metric_and_file_that_the_document_names_is_there(measured: Measured) -> None:
    text = (ROOT / DOCUMENT).read_text(encoding="utf-8")

    named = set(re.findall(r"\b(?:model_catalog|process)_[a-z_]+", text))
    recorded = {part for rule in rules("record") for part in re.split(r":", rule["record"])}
    families = {re.sub(r"_(bucket|count|sum)$", "", name) for name in measured.labels}
    assert named <= measured.labels.keys() | families | recorded
    files = re.findall(r"\bdeploy/[\w./-]*\w", text)
    assert files
    assert [file for file in files if not (ROOT / file).exists()] == []


async def test_every_query_of_the_database_in_the_document_runs(
    running: Running, database: Path
) -> None:
    await running.service.refresher.run()
    text = (ROOT / DOCUMENT).read_text(encoding="utf-8")

    queries = re.findall(r'sqlite-utils catalog\.db "([^"]+)"', text)
    assert queries
    for sql in queries:
        assert query(database, sql)


async def test_every_address_in_the_document_answers(running: Running) -> None:
    await running.service.refresher.run()
    text = (ROOT / DOCUMENT).read_text(encoding="utf-8")

    addresses = re.findall(rf"{ADDRESS}(/[^\s\"'`)<>|]*)", text)
    assert len(set(addresses)) > 5
    for address in addresses:
        answer = await running.client.get(str(URL(address)))
        assert answer.status == 200, address
