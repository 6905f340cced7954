"""The spark-operator's resources for Encore (docker/kubernetes), rendered, against the operator's own models."""

import re

import pytest
from kubeflow_spark_api.models import SparkV1alpha1SparkConnect, SparkV1beta2SparkApplication
from pydantic import ValidationError

from tests.support.manifests import rendered
from tests.support.servers.services import ROOT

MODELS = {"spark-connect.yaml": SparkV1alpha1SparkConnect, "spark-application.yaml": SparkV1beta2SparkApplication}


def require_valid(model, resource):
    """Raises where the operator's models do not take the resource, or do not know a field of it."""
    assert model.from_dict(resource).to_dict() == resource


@pytest.mark.parametrize("name", MODELS)
def test_the_operator_takes_the_resource(name):
    (resource,) = rendered(name)
    require_valid(MODELS[name], resource)
    with pytest.raises(AssertionError):
        require_valid(MODELS[name], {**resource, "spec": {**resource["spec"], "sparkConfig": {}}})
    with pytest.raises(ValidationError):
        require_valid(MODELS[name], {**resource, "spec": {**resource["spec"], "executor": {"cores": "one"}}})


def test_the_resources_set_what_jobs_ask_of_a_cluster():
    """As docs/operations.md has a server started, which tests/cluster runs."""
    command = (ROOT / "docs" / "operations.md").read_text()
    settings = dict(re.findall(r"--conf (spark\.(?:executorEnv|python)\.[\w.]+)=(\S+)", command))
    assert len(settings) == 2
    connect, application = (rendered(name)[0]["spec"] for name in MODELS)
    assert settings.items() <= connect["sparkConf"].items()
    name = "spark.python.daemon.module"
    assert application["sparkConf"][name] == settings[name]
    for spec in (connect, application):
        driver = spec.get("server") or spec["driver"]
        assert (driver["memory"], spec["executor"]["memory"]) == ("2g", "1g")
        assert f"--conf spark.driver.memory={driver['memory']}" in command
