"""The pods of all tasks as KubernetesExecutor makes them of the template in docker/kubernetes/airflow.yaml, against the
client's models and Kubernetes' own schemas."""

from datetime import UTC, datetime

import kubernetes_validate
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator
from kubernetes.client import ApiClient

from tests.support.manifests import rendered
from tests.support.servers.services import ROOT


@pytest.fixture(scope="module")
def pods(tmp_path_factory):
    """Task → the pod that the executor would send to the API server, as JSON values."""
    bag = DagBag(ROOT / "dags")
    assert bag.import_errors == {}
    (files,) = (one for one in rendered("airflow.yaml") if one["metadata"]["name"] == "encore-files")
    (tmp_path_factory.getbasetemp() / "pod.yaml").write_text(files["data"]["pod.yaml"])
    template = PodGenerator.deserialize_model_file(str(tmp_path_factory.getbasetemp() / "pod.yaml"))
    result = {}
    for task in bag.dags["nightly"].tasks:
        override = task.executor_config.get("pod_override")
        pod = PodGenerator.construct_pod(
            dag_id="nightly", task_id=task.task_id, pod_id="task", try_number=1, kube_image="registry.example.org/x:1",
            date=datetime(2026, 3, 1, tzinfo=UTC), args=["airflow", "task"], pod_override_object=override,
            base_worker_pod=template, namespace="encore", scheduler_job_id="1", run_id="run",
        )  # fmt: skip
        result[task.task_id] = ApiClient().sanitize_for_serialization(pod)
    return result


def test_every_pod_is_valid_for_kubernetes(pods):
    assert len(pods) > 50
    for task, pod in pods.items():
        assert kubernetes_validate.validate({"apiVersion": "v1", "kind": "Pod", **pod}, "1.34", strict=True), task


def test_a_pod_that_is_wrong_is_found(pods):
    wrong = {"apiVersion": "v1", "kind": "Pod", **pods["movies.train_sasrec"]}
    wrong["spec"] = {**wrong["spec"], "tolerance": []}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.34", strict=True)


def test_a_training_gets_one_gpu_its_nodes_and_shared_memory(pods):
    spec = pods["movies.train_sasrec"]["spec"]
    (container,) = spec["containers"]
    assert container["image"] == "registry.example.org/encore-trainer:1"
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert spec["nodeSelector"] == {"cloud.example.org/accelerator": "l4"}
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in spec["tolerations"]
    assert {"name": "shared-memory", "mountPath": "/dev/shm"} in container["volumeMounts"]
    assert {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": "4Gi"}} in spec["volumes"]


def test_other_tasks_get_no_gpu(pods):
    for task in ("movies.clean", "movies.publish", "movies.train_popularity", "movies.pin"):
        (container,) = pods[task]["spec"]["containers"]
        assert {"name": "ENCORE_FORKSERVER", "value": "off"} in container["env"]  # a pod ends with its task
        assert container["image"] == "registry.example.org/encore-jobs:1"
        assert "nvidia.com/gpu" not in container["resources"]["limits"]
        assert "nodeSelector" not in pods[task]["spec"]
    assert pods["movies.clean"]["metadata"]["labels"]["encore"] == "spark"


def test_a_task_has_the_stores_credentials_and_none_of_airflows(pods):
    for task, pod in pods.items():
        (container,) = pod["spec"]["containers"]
        assert container["args"] == ["airflow", "task"], task
        assert container["envFrom"] == [{"configMapRef": {"name": "encore"}}, {"secretRef": {"name": "encore-store"}}]
        assert container["securityContext"]["readOnlyRootFilesystem"], task
        assert pod["spec"]["automountServiceAccountToken"] is False, task
