"""docker/monitoring, for real: Prometheus loads the rules and answers every query of the dashboard.

The scraped night is fake (tests/support/fakes.py), published by the real job.
"""

import json
import re
import shlex
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from jobs.cli import main, parser
from jobs.commands import COMMANDS
from jobs.report.prometheus import MEANINGS
from jobs.settings import Settings
from tests.support.nights import publish
from tests.support.servers.services import ROOT, free_port, process, wait_until

pytestmark = pytest.mark.skipif(
    not shutil.which("promtool"), reason="no Prometheus: `make test-monitoring` installs it"
)
FOLDER = ROOT / "docker" / "monitoring"
RULES = (FOLDER / "alerts.yaml").read_text()
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
GRAFANA = ROOT / ".venv-services" / "bin" / "python"


def promtool(*words: str | Path, code: int = 0) -> str:
    done = subprocess.run(["promtool", *words], capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def expressions() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


@pytest.fixture
def prometheus(config: Settings, tmp_path: Path) -> Iterator[str]:
    """A Prometheus that scrapes the metrics of a published night every second; its address."""
    publish(config, 1, ds="2026-11-20")
    place = tmp_path / "prometheus"
    place.mkdir()
    assert main(["status", "--format", "prometheus", "--to", str(place / "metrics")]) == 0
    with (place / "metrics").open("a") as file:  # a fake night has no drift
        file.write('# TYPE encore_drift gauge\nencore_drift{domain="movies",metric="volume"} 1.1\n')
    handler = partial(SimpleHTTPRequestHandler, directory=str(place))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    text = (FOLDER / "prometheus.yaml").read_text().replace("1m", "1s").replace("alerts.yaml", f"{FOLDER}/alerts.yaml")
    (place / "config.yaml").write_text(text.replace("127.0.0.1:9100", f"127.0.0.1:{server.server_port}"))
    port = free_port()
    words = ["prometheus", f"--config.file={place}/config.yaml", f"--storage.tsdb.path={place}/data"]
    try:
        with process([*words, f"--web.listen-address=127.0.0.1:{port}"], tmp_path / "prometheus.log", port):
            yield f"http://127.0.0.1:{port}"
    finally:
        server.shutdown()


def query(address: str, expression: str) -> list[dict[str, Any]]:
    """The series of an answer."""
    url = f"{address}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        result: list[dict[str, Any]] = json.loads(answer.read())["data"]["result"]
    return result


def test_every_query_of_the_dashboard_has_an_answer(prometheus: str) -> None:
    wait_until(lambda: bool(query(prometheus, "encore_complete_nights")), "a scrape")
    for expression in expressions():
        chosen = expression.replace("$domain", "movies|music")
        assert query(prometheus, chosen), expression
    with urllib.request.urlopen(f"{prometheus}/api/v1/rules", timeout=30) as answer:
        rules = [rule for group in json.loads(answer.read())["data"]["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
    assert len(rules) == RULES.count("- alert:")


def test_dashboard_and_rules_ask_for_metrics_that_there_are() -> None:
    asked = {*re.findall(r"\bencore_\w+", " ".join(expressions()) + RULES)}
    assert asked <= {*MEANINGS}
    page = (ROOT / "docs" / "monitoring.md").read_text()
    assert {*MEANINGS} == {*re.findall(r"`(encore_\w+)`", page)}


@pytest.mark.skipif(not GRAFANA.exists(), reason="no .venv-services: `make test-monitoring` builds it")
def test_grafanas_own_models_take_the_dashboard() -> None:
    code = """
import json, sys
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
given = json.load(open(sys.argv[1]))
made = json.loads(JSONEncoder().encode(Dashboard.from_json(given)))
titles = [[panel["title"] for panel in each["panels"]] for each in (made, given)]
print(len(titles[0]), titles[0] == titles[1])
"""
    words = [str(GRAFANA), "-c", code, str(FOLDER / "dashboard.json")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split()[-2:] == [str(len(DASHBOARD["panels"])), "True"]


def test_every_alert_has_a_runbook_and_every_runbook_its_alert() -> None:
    alerts = re.findall(r"- alert: (\w+)", RULES)
    pages = [page.removeprefix("docs/runbooks/") for page in re.findall(r"runbook: (\S+)", RULES)]
    index = (ROOT / "docs" / "runbooks" / "README.md").read_text()
    for alert, page in zip(alerts, pages, strict=True):
        assert f"`{alert}`" in (ROOT / "docs" / "runbooks" / page).read_text()
        assert re.search(rf"\| `{alert}` \| \[.*\]\({page}\) \|", index)
    assert {*pages} == {page.name for page in (ROOT / "docs" / "runbooks").glob("*.md")} - {"README.md"}


QUALITY = 'encore_model_quality{domain="movies", model="m", metric="ndcg", k="10"}'
CHAMPION = 'encore_champion{domain="movies", model="m"}'
TASK = 'encore_task_seconds{domain="movies", task="clean"}'
FILES = 'encore_imported_rows{domain="movies"}'
REJECTED = 'encore_imported_rows_rejected{domain="movies"}'
END = 'encore_last_complete_night_end_seconds{domain="movies"}'
MOVIES = {"domain": "movies"}


REFUSED = 'encore_last_publication_complete{domain="movies"}'


@pytest.mark.parametrize(
    ("alert", "interval", "series", "at", "labels"),
    [
        ("EncoreNightLate", "1m", {END: "0x1900"}, "31h", MOVIES),
        ("EncoreNightLate", "1m", {END: "0x1900"}, "30h", None),
        ("EncoreNightRefused", "1h", {REFUSED: "0x3"}, "1h", MOVIES),
        ("EncoreNightRefused", "1h", {REFUSED: "1x3"}, "1h", None),
        ("EncoreRowsRejected", "1h", {FILES: "1000x3", REJECTED: "11x3"}, "1h", MOVIES),
        ("EncoreRowsRejected", "1h", {FILES: "1000x3", REJECTED: "10x3"}, "1h", None),
        ("EncoreQualityFell", "1h", {QUALITY: "0.5x100 0.3x10", CHAMPION: "1x120"}, "104h", MOVIES),
        ("EncoreQualityFell", "1h", {QUALITY: "0.5x100 0.45x10", CHAMPION: "1x120"}, "104h", None),
        ("EncoreTaskSlow", "1h", {TASK: "400x100 1200x10"}, "104h", {**MOVIES, "task": "clean"}),
        ("EncoreTaskSlow", "1h", {TASK: "100x100 500x10"}, "104h", None),
        ("EncoreMetricsMissing", "1h", {'up{job="x"}': "1x9"}, "4h", {}),
        ("EncoreMetricsMissing", "1h", {'encore_complete_nights{domain="movies"}': "1x9"}, "4h", None),
        ("AirflowSchedulerSilent", "1m", {"airflow_scheduler_heartbeat": "0+60x5 300x40"}, "20m", {}),
        ("AirflowSchedulerSilent", "1m", {"airflow_scheduler_heartbeat": "0+60x40"}, "20m", None),
        ("AirflowSchedulerSilent", "1m", {'up{job="airflow"}': "0x40"}, "20m", {}),
        ("AirflowSchedulerSilent", "1m", {'up{job="encore"}': "1x40"}, "20m", None),  # Airflow's are not scraped
        ("AirflowTasksFail", "10m", {"airflow_ti_failures": "0 5 5"}, "20m", {}),
        ("AirflowTasksFail", "10m", {"airflow_ti_failures": "0 2 2"}, "20m", None),
    ],
)
def test_a_rule_fires_on_what_it_is_for(
    tmp_path: Path, alert: str, interval: str, series: dict[str, str], at: str, labels: dict[str, str] | None
) -> None:
    """Series with a value for each interval; labels: of the alert at that time, None where none shall fire."""
    severity = re.search(rf"- alert: {alert}\n.*?severity: (\w+)", RULES, re.DOTALL)
    assert severity
    # The annotations' texts are checked as templates, and not repeated here.
    (tmp_path / "rules.yaml").write_text(re.sub(r" {8}annotations:\n {10}summary: .*\n {10}runbook: .*\n", "", RULES))
    expected = [] if labels is None else [{"exp_labels": {"severity": severity[1], **labels}}]
    test = {
        "interval": interval,
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": at, "alertname": alert, "exp_alerts": expected}],
    }
    cases = {"rule_files": [str(tmp_path / "rules.yaml")], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "test.yaml").write_text(json.dumps(cases))
    promtool("test", "rules", tmp_path / "test.yaml")


def test_commands_of_the_runbooks_are_there_and_their_queries_run(config: Settings) -> None:
    publish(config, 1, ds="2026-11-20")
    pages = "".join(page.read_text() for page in (ROOT / "docs" / "runbooks").glob("*.md"))
    result = {*re.findall(r"`(encore [a-z][^`]*)`", pages), *re.findall(r"^ *(encore .*)$", pages, re.MULTILINE)}
    assert len(result) > 10
    for command in result:
        words = shlex.split(command)[1:]
        parser(COMMANDS[words[0]]).parse_args(words[1:])
        if words[:2] == ["tables", "sql"]:
            assert main(words) == 0, command


def test_prometheus_takes_rules_and_configuration() -> None:
    promtool("check", "rules", FOLDER / "alerts.yaml")
    promtool("check", "config", FOLDER / "prometheus.yaml")
