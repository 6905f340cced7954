"""Kubernetes manifests of docker/kubernetes, as `envsubst` renders them."""

import re
from string import Template
from typing import Any

import yaml

from tests.support.servers.services import ROOT

FOLDER = ROOT / "docker" / "kubernetes"
VALUES = {
    "ENCORE_NAMESPACE": "encore",
    "ENCORE_INGRESS_NAMESPACE": "ingress",
    "ENCORE_MONITORING_NAMESPACE": "monitoring",
    "ENCORE_SECRET_STORE": "vault",
    "ENCORE_LOG_CLASS": "shared",
    "ENCORE_URL": "https://airflow.example.org",
    "ENCORE_WAREHOUSE": "s3://example/warehouse",
    "ENCORE_LANDING": "s3://example/landing",
    "ENCORE_CATALOG": "postgresql+psycopg2://encore@database.example.org/encore",
    "ENCORE_AIRFLOW_IMAGE": "registry.example.org/encore-airflow:1",
    "ENCORE_IMAGE": "registry.example.org/encore-jobs:1",
    "ENCORE_GPU_IMAGE": "registry.example.org/encore-trainer:1",
    "ENCORE_GPU_NODES": "cloud.example.org/accelerator=l4",
    "ENCORE_STATSD_IMAGE": "registry.example.org/statsd-exporter:1",
    "SPARK_IMAGE": "registry.example.org/spark:4.3.0",
    "ENCORE_SPARK_IMAGE": "registry.example.org/encore-spark:1",
    "ENCORE_ARCHIVE": "https://files.example.org/encore.tar.gz",
    "ENCORE_JOB": "clean",
    "ENCORE_DOMAIN": "movies",
    "ENCORE_DS": "2026-03-01",
    "ENCORE_RUN": "r",
}


def rendered(name: str) -> list[dict[str, Any]]:
    """The resources of a file; AssertionError where the comment at its head does not name a variable of it."""
    text = (FOLDER / name).read_text()
    head = re.match(r"(#.*\n)+", text)
    assert head, name
    for variable in re.findall(r"\$\{(\w+)\}", text):
        assert variable in head[0], f"{name}: {variable}"
    return list(yaml.safe_load_all(Template(text).substitute(VALUES)))
