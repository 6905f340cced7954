"""Dockerfile and compose.yaml as their linters and schemas want them, and what every container of it keeps to."""

import importlib.util
import os
import re
import socket
import subprocess
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.support.servers.images import FILE, ROOT

COMPOSE = ROOT / "compose.yaml"
TOOLS = ROOT / ".venv-services" / "bin"
BASES = {"python:3.11-slim-bookworm", "debian:bookworm-slim"}


def services() -> dict[str, Any]:
    return dict(yaml.safe_load(COMPOSE.read_text())["services"])


def run(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(TOOLS / words[0]), *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False, env=env
    )


def test_the_dockerfile_passes_its_linter() -> None:
    done = run("hadolint", "--failure-threshold", "info", str(FILE))
    assert done.returncode == 0, done.stdout


def test_images_begin_with_two_bases_alone() -> None:
    text = FILE.read_text()
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", text, re.MULTILINE))
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) - stages <= BASES


def test_compose_keeps_to_its_schema() -> None:
    done = run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE))
    assert done.returncode == 0, done.stdout


def test_compose_names_what_is_not_set(tmp_path: Path) -> None:
    """Every secret is required: without it nothing starts, with those that secrets.sh makes all are there."""
    clean = {"PATH": f"{TOOLS}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    wanted = set(re.findall(r"\$\{(\w+):\?", COMPOSE.read_text()))
    made = set(re.findall(r"^(\w+)=", (ROOT / "docker/images/secrets.sh").read_text(), re.MULTILINE))
    assert wanted == made
    done = run("podman-compose", "--env-file", "/dev/null", "config", env=clean)
    assert done.returncode != 0
    assert "run docker/images/secrets.sh" in done.stdout + done.stderr
    every = tmp_path / "env"
    every.write_text("".join(f"{name}=value\n" for name in wanted))
    done = run("podman-compose", "--env-file", str(every), "config", env=clean)
    assert done.returncode == 0, done.stderr


def test_prometheus_asks_a_service_of_compose_and_has_the_rules() -> None:
    file = ROOT / "docker" / "images" / "prometheus.yaml"
    (config,) = [word for word in services()["prometheus"]["command"] if word.startswith("--config.file=")]
    assert config == f"--config.file=/opt/encore/{file.relative_to(ROOT)}"
    settings = yaml.safe_load(file.read_text())
    assert all((file.parent / rules).is_file() for rules in settings["rule_files"])
    targets = [one for job in settings["scrape_configs"] for made in job["static_configs"] for one in made["targets"]]
    assert targets == ["metrics:9100"]
    assert "http.server 9100" in (ROOT / services()["metrics"]["command"][0]).read_text()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("bash docker/images/database.sh ", "database.sh: still starts"),
        ("/usr/bin/bash docker/images/airflow.sh api-server ", "airflow.sh api-server: still starts"),
        ("/run/podman-init -- docker/images/database.sh ", None),
        ("bash docker/images/metrics.sh ", None),
        ("bash -c encore nightly ", None),
    ],
)
def test_a_script_that_still_starts_its_server_is_not_well(line: str, reason: str | None) -> None:
    """`initdb` and migrations take a while; an init process has the script's name as long as the container runs."""
    with pytest.raises(OSError, match=reason) if reason else nullcontext():
        health().check(f"sleep 1 \n{line}\n")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::ffff:127.0.0.3", "::"])
def test_a_server_is_found_at_the_address_that_it_has(address: str) -> None:
    """Spark listens at one of the machine's addresses, which need not be that of its name."""
    module = health()
    if ":" in address and not Path("/proc/net/tcp6").exists():
        pytest.skip("this machine has no IPv6")
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as server:
        try:
            server.bind((address, 0))
        except OSError:
            pytest.skip(f"this machine has no address {address}")
        port = server.getsockname()[1]
        module.PORTS = {"the server": port}
        with pytest.raises(OSError, match=f"nothing listens on port {port}"):
            module.check("the server")
        server.listen()
        assert module.listening(port) == address
        module.check("the server")


def health() -> ModuleType:
    """The health check, which no package has."""
    spec = importlib.util.spec_from_file_location("health", FILE.with_name("health.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", sorted(services()))
def test_a_service_is_confined(name: str) -> None:
    service = services()[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert service["build"]["target"] == service["image"].removeprefix("encore-")
    assert f" AS {service['build']['target']}\n" in FILE.read_text()
