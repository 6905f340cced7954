"""Nights on a real Spark cluster on the loopback: the rows of a local night, and what happens when parts of it die."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from jobs.storage import frames
from jobs.storage.runs import Run
from schemas.tables import TABLES
from tests.support.servers.services import ROOT, wait_until
from tests.support.servers.spark_cluster import Cluster, spark_cluster

pytestmark = pytest.mark.timeout(3600)
ENCORE = str(Path(sys.executable).with_name("encore"))
DS = "2026-03-01"
JOBS = ("vocabulary", "sequences", "item_similarity", "user_similarity")
WRITTEN = {
    "clean": ("interactions", "items", "users", "reviews", "rejected"),
    "vocabulary": ("vocabulary",),
    "item_similarity": ("item_similarity",),
    "user_similarity": ("user_similarity",),
}


class Place:
    """A warehouse with an imported demo, whose nights run wherever `spark` says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ENCORE_", "SPARK_"))},
            **{f"ENCORE_{name.upper()}": str(folder / name) for name in ("warehouse", "landing", "state")},
        }
        folder.mkdir(exist_ok=True)
        self.encore(["import", "demo", "--size", "tiny", "--domain", "movies", "--ds", DS])

    def start(self, words: list[str], **variables: str) -> subprocess.Popen[str]:
        """`encore WORDS`, under way."""
        environment = {**self.variables, **variables}
        return subprocess.Popen(
            [ENCORE, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def encore(self, words: list[str], code: int = 0, **variables: str) -> str:
        """The output of `encore WORDS`, which must end with `code`."""
        done = self.start(words, **variables)
        output, _ = done.communicate()
        assert done.returncode == code, f"encore {' '.join(words)} ended with {done.returncode}\n{output[-5000:]}"
        return output

    def prepare(self, run: str) -> None:
        """A run whose rows are clean, which so few are without Spark."""
        for words in (["pin", *at(run), "--models", "popularity"], ["clean", *at(run)]):
            self.encore(words)

    def night(self, run: str, **variables: str) -> str:
        """All Spark jobs of a night; what they printed."""
        self.prepare(run)
        return "".join(self.encore([job, *at(run)], **variables) for job in JOBS)

    def digests(self, run: str) -> Mapping[str, str]:
        """Table → SHA-256 of its rows in their order by all columns."""
        hashes = {}
        for task, tables in WRITTEN.items():
            files = Run((self.folder / "warehouse").as_uri(), "movies", DS, run).entry(task).files
            for table in tables:
                rows = frames.read(files[table], TABLES[table].schema).to_pylist()
                hashes[table] = hashlib.sha256("\n".join(sorted(map(repr, rows))).encode()).hexdigest()
        return hashes


def read_until(running: subprocess.Popen[str], text: str) -> str:
    """What a process prints up to the line with `text`."""
    lines: list[str] = []
    for line in running.stdout or ():
        lines.append(line)
        if text in line:
            return "".join(lines)
    raise AssertionError(f"never printed {text!r}: {''.join(lines)[-5000:]}")


def at(run: str) -> list[str]:
    return ["--domain", "movies", "--ds", DS, "--run", run]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="session")
def archive(folder: Path) -> Path:
    """What `encore package` builds."""
    path = folder / "encore.tar.gz"
    subprocess.run([ENCORE, "package", "--to", str(path)], check=True)
    return path


@pytest.fixture(scope="session")
def cluster(folder: Path) -> Iterator[Cluster]:
    """Two workers whose Python has no package at all."""
    bare = folder / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    (folder / "spark").mkdir()
    with spark_cluster(folder / "spark", bare / "bin" / "python") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def server(cluster: Cluster, archive: Path) -> Iterator[str]:
    """The Connect server that the nights share: its address."""
    with cluster.connect(archive) as (remote, _):
        yield remote


@pytest.fixture(scope="session")
def place(folder: Path) -> Place:
    """A warehouse, with one night of two local cores to compare with: run `local`."""
    place = Place(folder / "place")
    config = folder / "local.toml"
    config.write_text('[spark]\n"spark.master" = "local[2]"\n')
    place.night("local", ENCORE_CONFIG=str(config))
    place.encore(["spark", "stop", "--run", "local"])
    return place


@pytest.fixture(scope="session")
def unbegun(place: Place) -> list[str]:
    """The arguments of a run whose Spark jobs never end well."""
    place.prepare("unbegun")
    return at("unbegun")


def test_a_night_on_the_cluster_has_the_rows_of_a_local_one(place: Place, server: str) -> None:
    printed = place.night("remote", SPARK_REMOTE=server)
    assert place.digests("remote") == place.digests("local")
    assert "Spark application app-" in printed
    assert "UI http://" in printed


def test_a_killed_executor_changes_time_only(place: Place, server: str, cluster: Cluster) -> None:
    place.prepare("killed")
    for job in JOBS:
        running = place.start([job, *at("killed")], SPARK_REMOTE=server)
        begun = read_until(running, "Spark application")
        if job in ("sequences", "item_similarity"):
            before = cluster.executors()
            assert running.poll() is None
            os.kill(before[0], signal.SIGKILL)
            wait_until(lambda: len({*cluster.executors()} - {*before}) == 1, "a new executor")  # noqa: B023
        output, _ = running.communicate()
        assert running.returncode == 0, begun + output[-5000:]
    assert place.digests("killed") == place.digests("local")


def test_two_nights_at_once_on_one_server_keep_apart(place: Place, server: str) -> None:
    for run in ("one", "two"):
        place.prepare(run)
    for job in JOBS:
        both = [place.start([job, *at(run)], SPARK_REMOTE=server) for run in ("one", "two")]
        for running in both:
            output, _ = running.communicate()
            assert running.returncode == 0, output[-5000:]
    for run in ("one", "two"):
        assert place.digests(run) == place.digests("local")


def test_a_job_that_is_ended_cancels_its_tasks(place: Place, server: str) -> None:
    code = """
import sys, time
from jobs.settings import Settings
from jobs.spark.cluster import remote_session
import os, pathlib
spark = remote_session(Settings(pathlib.Path(os.environ["ENCORE_WAREHOUSE"]).as_uri(), "", "", "", ""), sys.argv[1])
def slow(batches):
    import time
    for batch in batches:
        time.sleep(300)
        yield batch
print("computing", flush=True)
spark.range(0, 2, 1, 2).mapInArrow(slow, "id long").collect()
"""
    words = [sys.executable, "-c", code, server]
    running = subprocess.Popen(words, env=place.variables, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert "computing" in running.stdout.readline()
    time.sleep(5)
    running.send_signal(signal.SIGTERM)
    assert running.wait(60) == 128 + signal.SIGTERM
    began = time.monotonic()
    place.encore(["vocabulary", *at("local")], SPARK_REMOTE=server)  # needs both cores: they must be free again
    assert time.monotonic() - began < 200


def test_a_connect_server_that_is_not_there_is_a_fault_that_is_tried_again(place: Place, unbegun: list[str]) -> None:
    began = time.monotonic()
    output = place.encore(["vocabulary", *unbegun], code=1, SPARK_REMOTE="sc://127.0.0.1:1/;token=hidden")
    assert time.monotonic() - began < 120
    assert "error: vocabulary: ConnectionError: SPARK_REMOTE=sc://127.0.0.1:1: " in output
    assert "hidden" not in output.split("error: vocabulary")[1]


def test_a_connect_server_that_dies_is_a_fault_and_the_next_try_gives_the_same_rows(
    place: Place, cluster: Cluster, archive: Path, server: str
) -> None:
    place.prepare("died")
    with cluster.connect(archive) as (remote, process):
        running = place.start(["vocabulary", *at("died")], SPARK_REMOTE=remote)
        begun = read_until(running, "Spark application")
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = running.communicate(timeout=120)
    assert running.returncode == 1, begun + output[-5000:]
    assert "error: vocabulary: ConnectionError: SPARK_REMOTE=" in output
    for job in JOBS:
        place.encore([job, *at("died")], SPARK_REMOTE=server)
    assert place.digests("died") == place.digests("local")


@pytest.mark.parametrize(
    ("packaged", "settings", "message"),
    [
        (False, {"spark__python__use__daemon": "false"}, "the executors' Python does not have Encore"),
        (True, {"spark__python__daemon__module": ""}, "--conf spark.python.daemon.module=jobs.similarity.worker"),
        (True, {"spark__driver__memory": "600m"}, "--conf spark.driver.memory=2g"),
    ],
    ids=["no archive", "no daemon", "little memory"],
)
def test_a_cluster_that_lacks_something_is_wrong_input(
    place: Place, unbegun: list[str], cluster: Cluster, archive: Path, packaged: bool, settings: dict[str, str],
    message: str,
) -> None:  # fmt: skip
    with cluster.connect(archive if packaged else None, **settings) as (remote, _):
        output = place.encore(["vocabulary", *unbegun], code=2, SPARK_REMOTE=remote)
    assert message in output
