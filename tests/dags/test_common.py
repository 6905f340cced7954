"""The operator: what becomes of a job's exit code, output and processes."""

import json
import os
import signal
import subprocess
import sys
import threading

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from dags import lineage
from dags.common import JobOperator


def task(**settings):
    return JobOperator(**{"task_id": "task", "job": "clean", "arguments": ["--domain=movies", ""], **settings})


def test_done_returns_the_last_line_of_json_and_drops_empty_arguments(encore):
    calls = encore()
    assert task().execute({}) == {"task": "clean"}
    assert calls() == [["clean", "--domain=movies"]]


@pytest.mark.parametrize(
    ("code", "error"), [(1, AirflowException), (2, AirflowFailException), (3, AirflowSkipException)]
)
def test_exit_code_becomes_an_exception_with_the_reason(encore, code, error):
    encore(clean=code)
    with pytest.raises(AirflowException, match=f"exit code {code}: error: clean: told to end with {code}") as caught:
        task().execute({})
    assert type(caught.value) is error


def test_unasked_task_skips_without_a_call(encore):
    calls = encore()
    with pytest.raises(AirflowSkipException, match="not among"):
        task(when="False").execute({})
    assert calls() == []


def test_missing_encore_names_the_program(monkeypatch):
    monkeypatch.setenv("ENCORE", "/nowhere/encore")
    with pytest.raises(FileNotFoundError, match="/nowhere/encore"):
        task().execute({})


def test_output_that_is_no_text_or_no_json_does_no_harm(tmp_path, monkeypatch):
    program = tmp_path / "encore"
    program.write_text("#!/bin/sh\nprintf '{\"rows\": 1}\\n\\377\\n{not json\\n'\n")
    program.chmod(0o755)
    monkeypatch.setenv("ENCORE", str(program))
    assert task().execute({}) == {"rows": 1}


def test_what_a_job_read_and_wrote_is_for_lineage_events_and_no_xcom(tmp_path, monkeypatch):
    program = tmp_path / "encore"
    program.write_text("""#!/bin/sh\necho '{"rows": 1, "lineage": {"inputs": ["'$ENCORE_LINEAGE'"]}}'\n""")
    program.chmod(0o755)
    monkeypatch.setenv("ENCORE", str(program))
    monkeypatch.delenv("ENCORE_LINEAGE", raising=False)
    for wanted, given in ((False, ""), (True, "1")):
        monkeypatch.setattr(lineage, "is_wanted", lambda: wanted)  # noqa: B023
        one = task()
        assert one.execute({}) == {"rows": 1}
        assert one.reported == {"inputs": [given]}


@pytest.mark.parametrize(
    ("signal_name", "why"),
    [("KILL", ", as the system sends it when memory runs out"), ("SEGV", ": a fault in native code")],
)
def test_a_signal_is_the_reason_and_no_harmless_line(tmp_path, monkeypatch, signal_name, why):
    program = tmp_path / "encore"
    harmless = "E0000 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN"
    program.write_text(f"#!/bin/sh\necho '{harmless}' >&2\nkill -{signal_name} $$\n")
    program.chmod(0o755)
    monkeypatch.setenv("ENCORE", str(program))
    pattern = rf"error: clean: ended by SIG{signal_name}{why}; peak memory [\d,]+ MiB$"
    with pytest.raises(AirflowException, match=pattern):
        task().execute({})


def test_the_job_gets_the_object_store_of_an_airflow_connection(tmp_path, monkeypatch):
    program = tmp_path / "encore"
    program.write_text(
        """#!/bin/sh\nprintf '{"key": "%s %s %s"}' $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY $AWS_ENDPOINT_URL\n"""
    )
    program.chmod(0o755)
    monkeypatch.setenv("ENCORE", str(program))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "ENCORE_STORE_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    assert task().execute({}) == {"key": "  "}
    store = {"conn_type": "aws", "login": "ann", "password": "p", "extra": {"endpoint_url": "http://127.0.0.1:9000"}}
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(store))
    monkeypatch.setenv("ENCORE_STORE_CONNECTION", "store")
    assert task().execute({}) == {"key": "ann p http://127.0.0.1:9000"}


def test_kill_ends_the_job_and_its_children(tmp_path, monkeypatch):
    program = tmp_path / "encore"
    written = tmp_path / "child"
    program.write_text(f"#!/bin/sh\nsleep 60 & echo $! >{written}; wait\n")
    program.chmod(0o755)
    monkeypatch.setenv("ENCORE", str(program))
    job = task()
    threading.Timer(0.5, job.on_kill).start()
    with pytest.raises(AirflowException, match="exit code -15") as caught:
        job.execute({})
    assert "ended by SIGTERM" in str(caught.value)
    child = int(written.read_text())
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(child)], capture_output=True, text=True).stdout.strip()
    assert state[:1] in ("", "Z")


def test_interruption_ends_the_job(tmp_path, monkeypatch):
    program = tmp_path / "encore"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("ENCORE", str(program))
    job = task()
    # The shell starts what runs in its background, as `make test` does, with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        job.execute({})
    assert job.process.returncode == -signal.SIGTERM


def test_module_reads_its_environment_at_run_time_only():
    # A DAG is parsed where the jobs may not be installed.
    code = "import os; os.environ.pop('ENCORE', None); import dags.common"
    subprocess.run([sys.executable, "-c", code], check=True)
