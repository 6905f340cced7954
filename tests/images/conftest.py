"""Images are built once for all tests, on stand-ins of their bases."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.servers.images import ROOT, build, call, configure_podman


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Builds a target of the Dockerfile where that has not happened; its name."""
    if os.geteuid():
        pytest.skip("images are built by root here")
    folder = tmp_path_factory.mktemp("images")
    configure_podman(folder)
    call(str(ROOT / "docker/images/stand_in.sh"))
    built: dict[str, str] = {}

    def name(target: str) -> str:
        if target not in built:
            built[target] = build(target, Path(folder))
        return built[target]

    return name
