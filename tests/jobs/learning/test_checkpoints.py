"""A training that is killed on one worker goes on on another: two state folders, one warehouse."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.learning.checkpoints import WarehouseCheckpoint
from jobs.storage.files import listing
from models.base import TrainingData
from models.neural.sasrec import SASRec
from tests.support.examples import example
from tests.support.networks import CONFIG, assert_weights

# A training that dies as soon as the warehouse has the checkpoint of a batch in its third epoch.
KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from jobs.learning.checkpoints import WarehouseCheckpoint
from models.base import TrainingData
from models.training import loop, steps
from models.neural.sasrec import SASRec
from tests.support.examples import example
from tests.support.networks import CONFIG

class Last(WarehouseCheckpoint):
    def write(self, file):
        super().write(file)
        super().read(kept := file.with_name("kept.npz"))
        with np.load(kept) as stored:
            epoch, batches = stored["state"][:2]
        if epoch == 2 and batches >= 3:
            os.kill(os.getpid(), signal.SIGKILL)

loop.CHECKPOINT_SECONDS = steps.CALL_SECONDS = 0
SASRec(CONFIG).fit(TrainingData(example(), seed=3, workspace=Path(sys.argv[1]), store=Last(sys.argv[2])))
"""


@pytest.mark.slow
def test_another_worker_goes_on_within_the_epoch(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    store = WarehouseCheckpoint(f"file://{tmp_path}/warehouse/runs/checkpoints/sasrec.npz")
    words = [sys.executable, "-c", KILLED, str(first), store.address]
    done = subprocess.run(words, cwd=Path(__file__).parents[3], capture_output=True, text=True, env=os.environ)
    assert done.returncode == -signal.SIGKILL, done.stderr
    again = SASRec(CONFIG).fit(TrainingData(example(), seed=3, workspace=second, store=store))
    whole = SASRec(CONFIG).fit(TrainingData(example(), seed=3))
    assert_weights(again.network.get_weights(), whole.network.get_weights())
    assert again.trained == whole.trained
    store.delete()
    store.delete()
    assert listing(f"file://{tmp_path}/warehouse", recursive=True) == []
    assert not store.read(tmp_path / "nothing")
