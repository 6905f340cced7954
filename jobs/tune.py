"""Searches settings of models on the last complete night of a domain, within a budget, and writes a TOML file.

The file changes nothing until its sections are copied into that of ENCORE_CONFIG; the gate then compares them with the
incumbent's settings. Models learn the night's training events and are judged on its validation; the test is not read.
A search that was ended goes on where it was: its trials are kept beside the file, and the budget counts them. The same
seed tries the same settings in the same order.
"""

import argparse
import json
from importlib.metadata import version
from typing import Any

from jobs import settings
from jobs.addresses import address
from jobs.backend import set_up_keras
from jobs.errors import DONE, InputError
from jobs.learning.arrays import catalogue, ids, split
from jobs.learning.search import Journal, measure, plan, search
from jobs.learning.search_space import SPACES
from jobs.learning.tuned import findings, toml
from jobs.night import Night
from jobs.output import say
from jobs.settings import Settings, override
from jobs.states import Publication
from jobs.storage.catalog import Tables
from jobs.storage.files import write_bytes
from jobs.storage.runs import Run
from jobs.storage.sql import open_tables
from models.base import TrainingData
from models.registry import REGISTRY


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(
        prog="encore tune", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--domain", required=True, choices=settings.domain_names(), help="whose last complete night")
    parser.add_argument(
        "--models", default="item_knn,ease", type=model_names,
        help=f"whose settings, separated by commas (default: item_knn,ease); of: {', '.join(SPACES)}",
    )  # fmt: skip
    parser.add_argument("--minutes", default=60.0, type=minutes, help="the budget of all trials (default: 60)")
    parser.add_argument("--seed", default=0, type=int, help="of the settings that are tried (default: 0)")
    parser.add_argument(
        "--to", metavar="FILE.toml", help="a path or an address (default: tuned/DOMAIN-DS.toml below ENCORE_STATE)"
    )
    return parser


def model_names(text: str) -> list[str]:
    """The models of a list with commas, each once; argparse's error for one that has no settings to search."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in SPACES]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"cannot search settings of {unknown}; there are: {', '.join(SPACES)}")
    return names


def minutes(text: str) -> float:
    """A number above 0 and at most a week of minutes; argparse's error for another."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 7 * 24 * 60:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 10080 minutes, got {text!r}")
    return value


def main(args: argparse.Namespace) -> int:
    """Searches, prints a line for each model, and writes the file."""
    deployment = settings.load()
    set_up_keras(deployment)
    settings.check_models(deployment)
    night = last_night(deployment, args.domain)
    target = address(args.to or f"{deployment.state}/tuned/{args.domain}-{night.ds}.toml")
    journal = Journal(f"{target}.trials.json", identity(night, deployment, args))
    search_night(night, deployment, args, journal)
    results = findings(journal.records, args.models, args.seed)
    if not results:
        raise InputError(
            f"--minutes {args.minutes:g} ended before the first trial of {args.models[0]}; give more: the trials go on"
        )
    head = [
        f"Found by `encore tune` on the validation of {night.run.domain} {night.ds} (run {night.run.run_id}),"
        f" seed {args.seed}, {journal.seconds / 60:.1f} minutes.",
        "To adopt it, copy the sections into the file of ENCORE_CONFIG and run `encore config check`.",
    ]
    write_bytes(target, toml(results, deployment.models, head).encode())
    say(*map(str, results))
    better = [finding.model for finding in results if finding.better]
    say(json.dumps({"file": target, "trials": len(journal.records), "better": better}))
    return DONE


def last_night(deployment: Settings, domain: str) -> Night:
    """The last complete night of a domain; InputError where there is none."""
    with open_tables(Tables(deployment)) as db:
        row = db.execute("SELECT domain, ds, run_id, sequence FROM latest WHERE domain = ?", [domain]).fetchone()
    if row is None:
        raise InputError(f"{domain}: no night is complete; `encore tune` learns from the last one: run a night first")
    return Night(deployment, Run.of(deployment.warehouse, Publication(*row)))


def identity(night: Night, deployment: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """All that the trials depend on."""
    own = {model: dict(deployment.models.get(model, {})) for model in args.models}
    run = f"{night.run.domain} {night.ds} {night.run.run_id}"
    return {"night": run, "models": args.models, "seed": args.seed, "settings": own, "version": version("encore")}


def search_night(night: Night, deployment: Settings, args: argparse.Namespace, journal: Journal) -> None:
    """Reads the night's events and tries settings until the budget is over."""
    known = ids(night)
    parts = split(night, known)
    if not len(parts.train.items) or not len(parts.validation.users):
        raise InputError(f"{night.run.domain} {night.ds}: nobody to judge by: no training events, or no validation")
    data = TrainingData(parts.train, catalogue(night, known), parts.validation, args.seed)
    configs = {
        model: override(REGISTRY[model].Config(), deployment.models.get(model, {}), f"models.{model}")
        for model in args.models
    }
    search(plan(args.models, args.seed), journal, lambda trial: measure(trial, configs, data), 60 * args.minutes)
