"""Images of docker/images/Dockerfile, built by buildah and run by podman as root, without a Docker engine."""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
FILE = ROOT / "docker" / "images" / "Dockerfile"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
START_SECONDS = 180
CONTAINERS = """[containers]
default_ulimits=["nofile=20000:20000","nproc=32768:32768"]
[engine]
runtime="runc"
cgroup_manager="cgroupfs"
events_logger="file"
"""


def call(*words: str, check: bool = True, seconds: float = 1800) -> str:
    """The output of a command. Raises AssertionError with its errors where it fails and `check` is true."""
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False)
    assert not check or done.returncode == 0, f"{' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(target: str, folder: Path) -> str:
    """Builds a target on the stand-in of its base; its name. What this machine trusts is mounted for pip and uv."""
    (folder / "pip.conf").write_text(f"[global]\ncert = {CERTIFICATES}\n")
    (folder / "uv.toml").write_text("system-certs = true\n")
    mounts = {CERTIFICATES: CERTIFICATES, folder / "pip.conf": "/etc/pip.conf", folder / "uv.toml": "/etc/uv/uv.toml"}
    volumes = [word for here, there in mounts.items() for word in ("--volume", f"{here}:{there}:ro")]
    commit = call("git", "rev-parse", "HEAD").strip()
    options = ["--isolation", "chroot", "--pull-never", "--format", "docker", "--layers", "--target", target]
    name = f"localhost/encore-{target}"
    call("buildah", "bud", *options, *volumes, "--build-arg", f"COMMIT={commit}", "--file", str(FILE), "-t", name, ".")
    return name


def inspect(image: str) -> dict[str, Any]:
    """What podman knows of an image."""
    (facts,) = json.loads(call("podman", "image", "inspect", image))
    return dict(facts)


def configure_podman(folder: Path) -> None:
    """Lets podman of this process run without systemd."""
    file = folder / "containers.conf"
    file.write_text(CONTAINERS)
    os.environ["CONTAINERS_CONF"] = str(file)


@contextmanager
def container(
    image: str, *command: str, options: Sequence[str] = (), env: Mapping[str, str] | None = None
) -> Iterator[str]:
    """A container with a root that cannot be written, as its own user; its id. It is removed afterwards."""
    variables = [word for name, value in (env or {}).items() for word in ("--env", f"{name}={value}")]
    safe = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--init"]
    words = ["podman", "run", "--detach", "--network", "host", *safe, *options, *variables, image, *command]
    number = call(*words).strip()
    try:
        yield number
    finally:
        call("podman", "rm", "--force", "--time", "5", "--volumes", number, check=False)


def await_health(number: str) -> None:
    """Until the container's health check succeeds. Raises AssertionError, with its log, where that takes too long."""
    started = time.monotonic()
    while time.monotonic() - started < START_SECONDS:
        done = subprocess.run(["podman", "healthcheck", "run", number], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        time.sleep(2)
    log = subprocess.run(["podman", "logs", number], capture_output=True, text=True, check=False)
    raise AssertionError(
        f"not healthy after {START_SECONDS} s: {done.stdout}\n{log.stdout[-3000:]}\n{log.stderr[-3000:]}"
    )
