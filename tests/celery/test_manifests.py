"""Airflow's manifests in docker/kubernetes, rendered, against Kubernetes' own schemas and against each other."""

import kubernetes_validate
import pytest
import yaml

from tests.support.manifests import rendered

FILES = ("access.yaml", "airflow.yaml", "monitoring.yaml")
OF_OPERATORS = {"ExternalSecret", "PodMonitor"}  # whose schemas no package has
PARTS = {"api-server", "scheduler", "dag-processor", "statsd", "metrics"}


@pytest.fixture(scope="module")
def resources():
    return [resource for name in FILES for resource in rendered(name)]


@pytest.fixture(scope="module")
def pods(resources):
    """Name → pod, of the deployments and of the template for tasks."""
    deployments = [one for one in resources if one["kind"] == "Deployment"]
    result = {
        one["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]: one["spec"]["template"]
        for one in deployments
    }
    (files,) = (one for one in resources if one["metadata"]["name"] == "encore-files")
    return result | {"task": yaml.safe_load(files["data"]["pod.yaml"])}


def names(resources, kind):
    return {one["metadata"]["name"] for one in resources if one["kind"] == kind}


def test_kubernetes_takes_every_resource(resources, pods):
    assert {*pods} == {*PARTS, "task"}
    for one in [*resources, pods["task"]]:
        if one["kind"] not in OF_OPERATORS:
            kubernetes_validate.validate(one, "1.34", strict=True)
    assert {one["kind"] for one in resources} > OF_OPERATORS
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**pods["task"], "specs": {}}, "1.34", strict=True)


def test_what_pods_refer_to_is_there(resources, pods):
    secrets = {one["spec"]["target"]["name"] for one in resources if one["kind"] == "ExternalSecret"}
    for name, pod in pods.items():
        spec, (container,) = pod["spec"], pod["spec"]["containers"]
        assert spec["serviceAccountName"] in names(resources, "ServiceAccount"), name
        for source in container.get("envFrom", []):
            known = secrets if "secretRef" in source else names(resources, "ConfigMap")
            assert next(iter(source.values()))["name"] in known, name
        volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        assert {mount["name"] for mount in container.get("volumeMounts", [])} == {*volumes}, name
        for volume in volumes.values():
            assert volume.get("configMap", {"name": "encore"})["name"] in names(resources, "ConfigMap")
            claims = names(resources, "PersistentVolumeClaim")
            assert volume.get("persistentVolumeClaim", {"claimName": "encore-logs"})["claimName"] in claims


def test_services_monitors_and_policies_choose_pods_that_have_the_ports(resources, pods):
    for one in resources:
        selector = one["spec"].get("podSelector") or one["spec"].get("selector") if "spec" in one else None
        if one["kind"] not in {"Service", "NetworkPolicy", "PodMonitor"} or one["metadata"]["name"] == "encore":
            continue
        labels = selector.get("matchLabels", selector)
        (chosen,) = [pod for pod in pods.values() if labels.items() <= pod["metadata"]["labels"].items()]
        ports = chosen["spec"]["containers"][0]["ports"]
        named, numbers = {port["name"] for port in ports}, {port["containerPort"] for port in ports}
        wanted = {port["targetPort"] for port in one["spec"].get("ports", [])}
        wanted |= {end["port"] for end in one["spec"].get("podMetricsEndpoints", [])}
        assert wanted <= named, one["metadata"]["name"]
        assert {port["port"] for rule in one["spec"].get("ingress", []) for port in rule["ports"]} <= numbers


def test_no_pod_may_more_than_it_needs(pods):
    for name, pod in pods.items():
        spec, (container,) = pod["spec"], pod["spec"]["containers"]
        assert spec["securityContext"]["runAsNonRoot"], name
        own = container["securityContext"]
        assert (own["allowPrivilegeEscalation"], own["readOnlyRootFilesystem"]) == (False, True), name
        assert own["capabilities"] == {"drop": ["ALL"]}, name
        asks = name in {"scheduler", "api-server"}  # these alone talk to Kubernetes
        assert spec["automountServiceAccountToken"] is asks, name


def test_accounts_may_run_pods_or_read_their_logs_and_no_more(resources):
    roles = {one["metadata"]["name"]: one["rules"] for one in resources if one["kind"] == "Role"}
    bindings = {
        one["subjects"][0]["name"]: roles[one["roleRef"]["name"]] for one in resources if one["kind"] == "RoleBinding"
    }
    assert {*bindings} == {"encore-scheduler", "encore-api-server"} <= names(resources, "ServiceAccount")
    assert {verb for rule in bindings["encore-api-server"] for verb in rule["verbs"]} == {"get", "list"}
    for rules in bindings.values():
        for rule in rules:
            assert {*rule["resources"]} <= {"pods", "pods/log", "events"}
            assert "*" not in rule["verbs"]
