"""What a job takes: against work of a known size, and machines whose counters are files of the test."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs import usage

# A job that works for about 0.6 s of a core, half of it in a child, and writes and reads 8 MiB.
JOB = """
import json, os, subprocess, sys, time
from jobs.usage import Usage
used = Usage()
work = "import time\\nwhile time.process_time() < 0.3: pass"
subprocess.run([sys.executable, "-S", "-c", work], check=True)
exec(work)
with open(sys.argv[1], "wb") as file:
    file.write(bytes(8 << 20))
with open(sys.argv[1], "rb") as file:
    file.read()
print(json.dumps(used.facts({"gpu_seconds": 2.5, "gpu_joules": 100.0, "device": "a card"})))
"""


def test_a_job_is_measured_with_its_children(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    words = [sys.executable, "-c", JOB, str(tmp_path / "file")]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": root}, check=True)
    result = json.loads(done.stdout)
    assert 0.6 <= result["cpu_seconds"] < 3.0
    assert 8.0 <= result["written_mib"] < 9.0
    assert result["read_mib"] >= 8.0
    assert result["gpu_seconds"] == 2.5
    assert "device" not in result
    if result["estimated"]:
        assert result["joules"] == pytest.approx(100 + 10 * result["cpu_seconds"], abs=0.2)


def test_the_work_of_a_spark_server_counts_from_the_beginning_of_the_job_on() -> None:
    work = "import time\n" + "".join(
        f"while time.process_time() < {end}: pass\nprint('done', flush=True)\ninput()\n" for end in (0.8, 1.1)
    )
    words = [sys.executable, "-S", "-c", work]
    with subprocess.Popen(words, stdin=-1, stdout=-1, start_new_session=True, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdout.readline()
        before = usage.of_session(server.pid)
        assert before.cpu_seconds > 0.7
        measured, own = usage.Usage(server.pid), usage.of_this_process().cpu_seconds
        server.stdin.write("\n")
        server.stdin.flush()
        server.stdout.readline()
        result = measured.facts({})["cpu_seconds"]
        server.kill()
    assert 0.25 < result - own < 0.8  # and nothing of what the server did before


def machine(folder: Path, monkeypatch: pytest.MonkeyPatch, microjoules: tuple[int, ...], ticks: int) -> None:
    """Counters of processors, and of the time that the machine's cores have worked."""
    monkeypatch.setattr(usage, "RAPL", folder)
    monkeypatch.setattr(usage, "busy_seconds", lambda: float(ticks))
    for package, value in enumerate(microjoules):
        for name, number in ((f"intel-rapl:{package}", value), (f"intel-rapl:{package}:0", 10**12)):  # a part of it
            (folder / name).mkdir(exist_ok=True)
            (folder / name / "energy_uj").write_text(f"{number}\n")


def test_energy_is_the_processors_by_the_share_of_their_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "of_this_process", lambda: usage.Taken(5.0))
    machine(tmp_path, monkeypatch, (1_000_000, 2_000_000), 100)
    measured = usage.Usage()
    machine(tmp_path, monkeypatch, (301_000_000, 102_000_000), 120)
    result = measured.facts({"gpu_joules": 7.0})
    assert (result["joules"], result["estimated"]) == (400 * 5 / 20 + 7, False)


def test_energy_is_estimated_where_the_counter_began_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "of_this_process", lambda: usage.Taken(5.0))
    machine(tmp_path, monkeypatch, (9_000_000,), 100)
    measured = usage.Usage()
    machine(tmp_path, monkeypatch, (1_000_000,), 120)
    result = measured.facts({})
    assert (result["joules"], result["estimated"]) == (50.0, True)


def test_a_night_adds_up_its_tasks_and_divides_by_its_users() -> None:
    tasks = {
        "clean": {"seconds": 1.0, "peak_mib": 90.0, "cpu_seconds": 3.0, "joules": 30.0},
        "train_lstm": {"seconds": 2.0, "peak_mib": 70.0, "cpu_seconds": 5.0, "joules": 50.0, "gpu_seconds": 4.0},
        "of_an_older_encore": {"seconds": 9.0, "peak_mib": 80.0},
    }
    assert usage.night(tasks, 2000) == {
        "cpu_seconds": (8.0, 4.0),
        "gpu_seconds": (4.0, 2.0),
        "joules": (80.0, 40.0),
        "peak_mib": (90.0, 45.0),
    }
    assert usage.night({}, 0) == {}


def test_a_machine_that_tells_nothing_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "PROC", tmp_path)
    monkeypatch.setattr(usage, "RAPL", tmp_path)
    result = usage.Usage(1).facts({})
    assert (result["read_mib"], result["written_mib"], result["estimated"]) == (0.0, 0.0, True)
