"""The champion of the nights before: a model with the settings that it was promoted with.

Where its settings have been changed since, `train` trains it both ways. The old way reigns on under the name
<model>-before, and the new one is a challenger like all others: a change of settings has to prove itself as well.
"""

import json
import logging
from collections.abc import Collection, Mapping
from typing import Any

from jobs.errors import InputError
from jobs.night import Night
from jobs.settings import override
from jobs.storage.frames import read
from models.registry import REGISTRY
from schemas.tables import TABLES

CHAMPION = "champion"
BEFORE = "-before"
FACT = "before"  # of train_<model>: the facts of the model with the settings of before
log = logging.getLogger(__name__)


def reigning(night: Night) -> dict[str, Any] | None:
    """The row of `models` of the last complete night's champion, as the run pinned it; None where there is none.

    `model` is then the model's own name, also where it reigned with settings of before.
    """
    runs = read(night.history("runs"), TABLES["runs"].schema, columns=["ds", "state"]).to_pylist()
    complete = {row["ds"] for row in runs if row["state"] == "complete"}
    models = read(night.history("models"), TABLES["models"].schema).to_pylist()
    champions = [row for row in models if row["status"] == CHAMPION and row["ds"] in complete]
    champion = max(champions, key=lambda row: row["ds"], default=None)
    return champion and champion | {"model": champion["model"].removesuffix(BEFORE)}


def settings_before(night: Night, model: str, asked: dict[str, Any]) -> Any:
    """The configuration that `model` reigns with, where it is not the one `asked` for tonight; else None."""
    champion = reigning(night)
    if champion is None or champion["model"] != model or not champion["settings"]:
        return None
    before = json.loads(champion["settings"])
    if before == json.loads(json.dumps(asked)):
        return None
    try:
        given = {name: value for name, value in before.items() if value is not None}  # None: the model chooses
        return override(REGISTRY[model].Config(), given, f"settings of the reigning {model}")
    except InputError as error:  # a version of Encore that has other settings
        log.warning("%s; tonight's settings take their place", error)
        return None


def before(model: str) -> str:
    """What the model with the settings of before is called in `metrics` and in reasons."""
    return model + BEFORE


def name_of(champion: Mapping[str, Any] | None, old: Collection[str]) -> str | None:
    """What was judged tonight in the reigning champion's place; old: names of models with the settings of before."""
    if champion is None:
        return None
    name: str = champion["model"]
    return before(name) if before(name) in old else name


def trained_before(night: Night) -> dict[str, dict[str, Any]]:
    """Name of before → its model and the facts of its training; empty where no settings have changed."""
    entries = night.run.entries()
    found = {name: entries.get(f"train_{name}") for name in night.models}
    done = {name: entry.facts.get(FACT) for name, entry in found.items() if entry and entry.state == "done"}
    return {before(name): {"model": name, **facts} for name, facts in done.items() if facts}
