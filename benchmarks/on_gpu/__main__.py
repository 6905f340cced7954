"""Every network on a GPU with Keras on JAX: the contract, a step's time against what the card allows, training, size.

    KERAS_BACKEND=jax python -m benchmarks.on_gpu --out docs/measurements/gpu.json [--stages ceilings steps …]
        [--networks sasrec lstm …] [--seeds 0 1] [--precision auto|float32|mixed_bfloat16] [--small]

`ceilings`: what the card does: a bfloat16 product of 8192³ and a copy of 4 GiB. `contract`: the tests that every model
inherits, on the card. `steps`: for each network the time of a step and the sums of flops and bytes of its compiled
program (XLA's own count), which over the ceilings give the least time. `table`: MovieLens-1M and, for `two_tower`, the
new films of `cold_items`, with the settings of docs/accuracy.md: seconds from the start of `fit` and accuracy on the
test. `second_night`: seconds to the first step, without and with the programs of an earlier night. `serving`: lists,
continuations and sentiment on the GPU and on the CPU. `size`: a next-item model of 8 LiGR blocks on generated sessions.
The file is written anew after each figure. --small: everything in little, which proves the script on a CPU; its figures
mean nothing.
"""

import argparse
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import keras

from benchmarks.on_gpu.card import ceilings, contract
from benchmarks.on_gpu.data import PRECISIONS, SETTINGS, movielens
from benchmarks.on_gpu.results import Results
from benchmarks.on_gpu.second_night import second_night
from benchmarks.on_gpu.serving import serving
from benchmarks.on_gpu.size import size
from benchmarks.on_gpu.steps import step
from benchmarks.on_gpu.trainings import trained
from models.base import TrainingData
from models.registry import REGISTRY

SIZES = ((1_000_000, 512, 8, 512, 128, 110), (10_000_000, 128, 2, 200, 256, 110))
SMALL_SIZES = ((30_000, 8, 1, 16, 4, 3), (40_000, 8, 1, 16, 4, 3))


def measure_trainings(results: Results, args: argparse.Namespace) -> None:
    """Every network, with every seed and precision."""
    for seed in args.seeds:
        for name in args.networks:
            for precision in args.precision:
                results.add("table", trained(name, seed, precision, args.small))


def measure_steps(results: Results, args: argparse.Namespace) -> None:
    """Every network, with every precision."""
    part, _ = movielens(args.small)
    limits = results.facts["ceilings"][-1]
    for name in args.networks:
        config = REGISTRY[name].Config(**SETTINGS[name] | ({"length": 8} if args.small else {}))
        for precision in args.precision:
            data = TrainingData(part.histories, mixed_precision=PRECISIONS[precision])
            results.add("steps", step(REGISTRY[name](config), data, limits))


def measure_second_night(results: Results, args: argparse.Namespace) -> None:
    """Every network but `two_tower`, which needs a catalogue."""
    for name in args.networks:
        if name != "two_tower":
            results.add("second_night", second_night(name, args.small))


def measure_serving(results: Results, args: argparse.Namespace) -> None:
    """Every network but `two_tower`, and the sentiment of reviews."""
    for name in [*args.networks, "review_sentiment"]:
        if name != "two_tower":
            results.add("serving", serving(name, args.small))


def measure_sizes(results: Results, args: argparse.Namespace) -> None:
    """Both sizes."""
    for parts in SMALL_SIZES if args.small else SIZES:
        results.add("size", size(results.facts["ceilings"][-1], *parts))


STAGES: Mapping[str, Callable[[Results, argparse.Namespace], None]] = {
    "ceilings": lambda results, args: results.add("ceilings", ceilings(args.small)),
    "contract": lambda results, args: results.add("contract", contract(args.small)),
    "table": measure_trainings,
    "steps": measure_steps,
    "second_night": measure_second_night,
    "serving": measure_serving,
    "size": measure_sizes,
}


def main() -> None:
    """Measures stage by stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--stages", nargs="+", choices=list(STAGES), default=list(STAGES))
    parser.add_argument("--networks", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--precision", nargs="+", choices=list(PRECISIONS), default=["auto"])
    parser.add_argument("--small", action="store_true")
    args = parser.parse_args()
    if keras.backend.backend() != "jax":
        parser.error(f"Keras computes with {keras.backend.backend()}; set KERAS_BACKEND=jax")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    results = Results(args.out)
    if "versions" not in results.facts:
        devices = [str(each.device_kind) for each in jax.devices()]
        flags = os.environ.get("XLA_FLAGS", "")
        results.add("versions", {"device": devices, "jax": jax.__version__, "keras": keras.__version__, "flags": flags})
    chosen = set(args.stages) | (set() if "ceilings" in results.facts else {"ceilings"})
    for name, measure in STAGES.items():
        if name in chosen:
            measure(results, args)


if __name__ == "__main__":
    main()
