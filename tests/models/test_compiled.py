"""`python -m models.compiled`, a part of set-up, compiles every kernel that a night calls."""

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_a_night_compiles_no_kernel() -> None:
    """In a process of its own: other tests call kernels with types that no night has."""
    code = "from tests.support.programs.compiled import check; check()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
