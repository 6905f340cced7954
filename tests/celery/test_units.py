"""The unit files of docker/systemd, as systemd itself reads them, and the settings that they take."""

import re
import shutil
import subprocess

import pytest
from airflow.configuration import conf
from airflow.executors.executor_loader import ExecutorLoader
from airflow.executors.executor_utils import ExecutorName

from tests.support.servers.services import ROOT

FOLDER = ROOT / "docker" / "systemd"
MODULE = "airflow.providers.celery.executors.celery_executor.CeleryExecutor"
AIRFLOW, WORKER = "encore-airflow@.service", "encore-worker@.service"


def verify(folder, name, instance, text):
    """What systemd says of a unit; nothing where it is well. Of a key that it does not know it only warns."""
    unit = folder / name.replace("@", f"@{instance}")
    unit.write_text(text.replace("/opt/encore", str(ROOT)))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    return done.stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
@pytest.mark.parametrize(
    ("name", "instance"),
    [(AIRFLOW, "scheduler"), (AIRFLOW, "api-server"), (AIRFLOW, "dag-processor"), (WORKER, "default"), (WORKER, "gpu")],
)
def test_systemd_takes_the_units(name, instance, tmp_path):
    text = (FOLDER / name).read_text()
    assert verify(tmp_path, name, instance, text) == ""
    assert "Restart=always" in text
    assert "Unknown key" in verify(tmp_path, name, instance, text.replace("RestartSec", "RestartSecs"))


def test_every_setting_of_the_example_is_one_of_airflow_or_encore():
    settings = dict(re.findall(r"^([A-Z_0-9]+)=(.*)$", (FOLDER / "airflow.env").read_text(), re.MULTILINE))
    known = (ROOT / "jobs" / "settings.py").read_text() + (ROOT / "dags" / "common.py").read_text()
    for name in settings:
        if name.startswith("AIRFLOW__"):
            section, key = name.removeprefix("AIRFLOW__").lower().split("__")
            assert key in conf.configuration_description[section]["options"], name
        else:
            assert f'"{name}"' in known, name


def test_the_executor_and_its_workers_can_be_loaded():
    """The provider imports parts of Celery that a newer one may lack."""
    executor, _ = ExecutorLoader.import_executor_cls(ExecutorName(alias="CeleryExecutor", module_path=MODULE))
    assert executor.__name__ == "CeleryExecutor"
