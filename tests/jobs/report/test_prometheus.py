"""`encore status --format prometheus`: what a scrape gets, read back by the rules of the text form."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs.cli import main
from jobs.report.prometheus import MEANINGS, Sample, escape, line
from jobs.settings import Settings
from tests.support.fakes import DS
from tests.support.nights import publish

Captured = pytest.CaptureFixture[str]
LINE = re.compile(r'(\w+)\{((?:\w+="(?:[^"\\\n]|\\["n\\])*",?)*)\} (\S+)')


def scrape(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """(Metric, labels) → value; every metric stands once, after what it means and its type."""
    result, heads = {}, []
    for row in text.splitlines():
        if row.startswith("# HELP "):
            heads.append(row.split()[2])
        elif row.startswith("# TYPE "):
            assert row == f"# TYPE {heads[-1]} gauge"
        else:
            match = LINE.fullmatch(row)
            assert match, row
            assert match[1] == heads[-1]
            labels = frozenset(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2]))
            assert (match[1], labels) not in result
            result[match[1], labels] = float(match[3])
    assert len(heads) == len({*heads})
    assert text.endswith("\n")
    return result


def of(result: dict[tuple[str, frozenset[tuple[str, str]]], float], metric: str, **labels: str) -> float:
    return result[metric, frozenset(labels.items())]


def test_a_scrape_tells_of_each_domains_last_complete_night(config: Settings, capsys: Captured) -> None:
    publish(config, 1, ds="2026-11-19", run="first")
    publish(config, 2, ds=DS, run="second")
    capsys.readouterr()
    assert main(["status", "--format", "prometheus"]) == 0
    result = scrape(capsys.readouterr().out)
    assert {metric for metric, _ in result} == {*MEANINGS} - {"encore_drift"}
    assert of(result, "encore_complete_nights", domain="movies") == 2
    assert of(result, "encore_complete_nights", domain="games") == 0
    end = of(result, "encore_last_complete_night_end_seconds", domain="movies")
    assert datetime.fromtimestamp(end, UTC) == datetime(2026, 11, 21, tzinfo=UTC)
    assert of(result, "encore_last_publication_complete", domain="movies") == 1
    assert of(result, "encore_rows", domain="movies", table="recommendations") == 12
    assert of(result, "encore_champion", domain="movies", model="item_knn") == 1
    assert of(result, "encore_task_seconds", domain="movies", task="clean") >= 0
    assert not any(dict(labels).get("domain") == "music" for metric, labels in result if metric == "encore_rows")


def test_a_file_is_replaced_whole(published: Settings, tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "encore.prom"
    file.write_text("old")
    assert main(["status", "--format", "prometheus", "--to", str(file)]) == 0
    assert of(scrape(file.read_text()), "encore_complete_nights", domain="movies") == 1
    assert [*tmp_path.glob("encore.prom*")] == [file]
    assert main(["status", "--to", str(file)]) == 2
    assert "--to needs --format prometheus" in capsys.readouterr().err


def test_labels_and_values_are_written_as_prometheus_reads_them() -> None:
    assert escape('a"b\\c\nd') == 'a\\"b\\\\c\\nd'
    assert line(Sample("m", {"a": "x", "b": "y"}, 3)) == 'm{a="x",b="y"} 3.0'
