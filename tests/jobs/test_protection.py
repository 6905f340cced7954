"""What a process of Encore leaves for others to read: no file, no core dump, no secret in a process list."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.settings import ROOT, Settings
from jobs.spark import server as spark_server
from jobs.spark.properties import write_properties
from tests.support.planted_users import import_users

ENCORE = Path(sys.executable).with_name("encore")
# Called by `encore` as if it were a command: shows what the process has, and dies as a fault in a library does.
DIES = """
import os, resource, sys
from jobs import cli
cli.call = lambda argv: print(oct(os.umask(0)), resource.getrlimit(resource.RLIMIT_CORE), flush=True) or os.abort()
sys.argv = ["encore", "status"]
cli.main()
"""


def modes(folder: Path) -> set[str]:
    return {oct(path.lstat().st_mode & 0o777) for path in folder.rglob("*")}


@pytest.mark.parametrize(("umask", "wanted"), [("", {"0o600", "0o700"}), ("027", {"0o640", "0o750"})])
def test_files_are_for_their_owner_alone_unless_asked(
    umask: str, wanted: set[str], config: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert import_users(tmp_path) == 0  # in this process, which does as it likes
    for name in ("landing", "warehouse"):
        monkeypatch.setenv(f"ENCORE_{name.upper()}", str(tmp_path / "own" / name))
    monkeypatch.setenv("ENCORE_UMASK", umask)
    (tmp_path / "own").mkdir()
    words = [str(ENCORE), "import", "movielens", str(tmp_path / "in"), "--domain", "movies", "--ds", "2026-11-20"]
    old = os.umask(0o022)
    try:
        subprocess.run(words, check=True, capture_output=True, cwd=ROOT)
    finally:
        os.umask(old)
    assert modes(tmp_path / "own") == wanted


def test_a_wrong_umask_is_named(config: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENCORE_UMASK", "0o77")
    done = subprocess.run([str(ENCORE), "status"], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (
        2,
        "error: ENCORE_UMASK=0o77: must be three octal digits, as 077 or 027\n",
    )


@pytest.mark.parametrize("protected", [False, True])
def test_a_process_that_dies_leaves_no_memory_behind(protected: bool, tmp_path: Path) -> None:
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    if "/" in pattern or pattern.startswith("|") or hard in (0, 1):
        pytest.skip(f"core dumps go to {pattern!r}, at most {hard} bytes")
    code = DIES if protected else DIES.replace("cli.main()", "cli.call([])")

    def dump() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, preexec_fn=dump,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == -6, done.stderr
    assert done.stdout.startswith("0o77 (1, 1)") == protected
    assert ([path.name for path in tmp_path.iterdir()] != []) != protected


def test_settings_of_spark_are_in_a_file_and_not_in_a_command(config: Settings, tmp_path: Path) -> None:
    secret = "planted=secret: of #Spark \\ ü"
    config = type(config)(state=str(tmp_path), spark={"spark.hadoop.fs.s3a.secret.key": secret})
    command = spark_server._command(config, "run", 1, tmp_path)
    assert "planted" not in " ".join(command)
    file = Path(command[command.index("--properties-file") + 1])
    assert file.stat().st_mode & 0o777 == 0o600
    values = dict(line.split("=", 1) for line in file.read_text().splitlines())
    coded = values[r"spark\u002ehadoop\u002efs\u002es3a\u002esecret\u002ekey"]
    assert coded.encode().decode("unicode_escape") == secret
    assert "spark.connect.grpc.binding.address" in {name.encode().decode("unicode_escape") for name in values}


def test_the_ports_of_a_local_spark_are_on_the_loopback(tmp_path: Path) -> None:
    def addresses(**spark: str) -> list[str]:
        config = Settings(state=str(tmp_path), spark={name.replace("_", "."): value for name, value in spark.items()})
        command = spark_server._command(config, "run", 1, tmp_path)
        text = Path(command[command.index("--properties-file") + 1]).read_text()
        values = dict(line.encode().decode("unicode_escape").split("=", 1) for line in text.splitlines())
        return [values.get(f"spark.driver.{name}", "") for name in ("host", "bindAddress")]

    assert addresses() == ["127.0.0.1", "127.0.0.1"]
    assert addresses(spark_driver_host="10.0.0.1") == ["10.0.0.1", "127.0.0.1"]
    assert addresses(spark_master="spark://10.0.0.2:7077") == ["", ""]  # its executors come from other machines


def test_letters_beyond_the_first_plane_are_two_units(tmp_path: Path) -> None:
    write_properties(tmp_path / "a.properties", {"a": "\U0001f600"})
    assert (tmp_path / "a.properties").read_text() == "a=\\ud83d\\ude00\n"
