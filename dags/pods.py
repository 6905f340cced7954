"""What the pod of a task has beyond the cluster's own template, by class of task; only KubernetesExecutor reads it.

| class | tasks | what its pod gets |
| --- | --- | --- |
| `spark` | jobs that drive Spark | memory and cores of a driver |
| `gpu` | trainings | one GPU, its nodes, shared memory for data loaders, an image of its own |
| `default` | all others | little |
"""

import os
from typing import Any

from airflow.sdk.configuration import conf

CONTAINER = "base"  # as KubernetesExecutor calls the container of a task
GPU = "nvidia.com/gpu"
REQUESTS = {
    "default": {"cpu": "500m", "memory": "2Gi"},
    "spark": {"cpu": "1", "memory": "4Gi"},
    "gpu": {"cpu": "4", "memory": "16Gi"},
}
SHARED_MEMORY = "4Gi"


def executor_config(kind: str) -> dict[str, Any]:
    """`executor_config` of a task of class `kind`; empty where no executor is Kubernetes'.

    ENCORE_IMAGE and ENCORE_GPU_IMAGE name images, ENCORE_GPU_NODES the label of the nodes with GPUs (`name=value`).
    """
    if "KubernetesExecutor" not in str(conf.get("core", "executor", fallback="")):
        return {}
    from kubernetes.client import models as k8s  # of the provider, which a laptop's Airflow does not have

    resources = k8s.V1ResourceRequirements(
        requests=REQUESTS[kind], limits={"memory": REQUESTS[kind]["memory"]} | ({GPU: "1"} if kind == "gpu" else {})
    )
    image = os.environ.get("ENCORE_GPU_IMAGE" if kind == "gpu" else "ENCORE_IMAGE") or None
    alone = k8s.V1EnvVar(name="ENCORE_FORKSERVER", value="off")  # a pod ends with its task
    container = k8s.V1Container(name=CONTAINER, image=image, resources=resources, env=[alone])
    spec = k8s.V1PodSpec(containers=[container])
    if kind == "gpu":
        label, _, value = os.environ.get("ENCORE_GPU_NODES", "").partition("=")
        spec.node_selector = {label: value} if label else None
        spec.tolerations = [k8s.V1Toleration(key=GPU, operator="Exists", effect="NoSchedule")]
        memory = k8s.V1EmptyDirVolumeSource(medium="Memory", size_limit=SHARED_MEMORY)
        spec.volumes = [k8s.V1Volume(name="shared-memory", empty_dir=memory)]
        container.volume_mounts = [k8s.V1VolumeMount(name="shared-memory", mount_path="/dev/shm")]  # noqa: S108 - the pod's own
    metadata = k8s.V1ObjectMeta(labels={"encore": kind})
    return {"pod_override": k8s.V1Pod(metadata=metadata, spec=spec)}
