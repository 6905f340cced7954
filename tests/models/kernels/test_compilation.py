"""The disk cache of kernels: compiled code is found again only while no module of the package has changed."""

import shutil
from pathlib import Path

import pytest
from numba.core.registry import CPUDispatcher

from models.kernels import compilation, tiles, top_k
from tests.support.programs.compiled import dispatchers

KERNELS = Path(compilation.__file__).parent


def test_every_kernel_of_the_package_has_the_cache() -> None:
    result = {name: kernel for name, kernel in dispatchers().items() if name.startswith("models.kernels.")}
    assert {"models.kernels.tiles.compare", "models.kernels.top_k._products"} <= set(result)
    assert [name for name, kernel in result.items() if not isinstance(kernel._cache, compilation.PackageCache)] == []


@pytest.mark.parametrize("kernel", [tiles.compare, top_k._products])
def test_a_change_of_the_package_changes_every_key(kernel: CPUDispatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    codegen = kernel.targetctx.codegen()
    before = kernel._cache._index_key((), codegen)
    assert kernel._cache._index_key((), codegen) == before
    monkeypatch.setattr(compilation, "sources", lambda: "others")
    assert kernel._cache._index_key((), codegen) != before


@pytest.mark.parametrize("module", ["candidates", "products", "vectors", "measures", "blocks"])
def test_the_digest_sees_every_module(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(KERNELS, tmp_path / "kernels", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(compilation, "__file__", str(tmp_path / "kernels" / "compilation.py"))
    before = compilation.sources.__wrapped__()
    with (tmp_path / "kernels" / f"{module}.py").open("a") as file:
        file.write("# changed\n")
    assert compilation.sources.__wrapped__() != before
