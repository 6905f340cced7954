"""Airflow scaled out: its home is made before the first import, as for tests/dags."""

import os
import shutil
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = tempfile.mkdtemp(prefix="encore-workers-")
os.environ |= {
    "AIRFLOW_HOME": HOME,
    "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__EXECUTOR": "KubernetesExecutor",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db",
    "ENCORE_IMAGE": "registry.example.org/encore-jobs:1",
    "ENCORE_GPU_IMAGE": "registry.example.org/encore-trainer:1",
    "ENCORE_GPU_NODES": "cloud.example.org/accelerator=l4",
}


def pytest_unconfigure():
    shutil.rmtree(HOME, ignore_errors=True)
