"""The incumbent: the champion of the last complete night, a model with the settings that it was promoted with.

Where its settings have been changed since, `train` trains it both ways. With the old settings it stays the incumbent,
under the name <model>-incumbent; with the new ones it is a challenger like all others: a change of settings has to
prove itself as well.
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
from schemas.names import TaskState
from schemas.records import ModelStatus
from schemas.tables import TABLES

SUFFIX = "-incumbent"
FACT = "incumbent"  # of train_<model>: the facts of the model with the incumbent's settings
OLD_SUFFIX, OLD_FACT = "-before", "before"  # as Encore wrote them up to version 0.1
log = logging.getLogger(__name__)


def incumbent(night: Night) -> dict[str, Any] | None:
    """The row of `models` of the last complete night's champion, as the run pinned it; None where there is none.

    `model` is then the model's own name, also where it was champion with the settings of an incumbent.
    """
    last = night.last_complete
    rows = read(night.history("models"), TABLES["models"].schema).to_pylist() if last else []
    for row in rows:
        if row["status"] == ModelStatus.CHAMPION and last and row["ds"] == last.ds:
            return {**row, "model": row["model"].removesuffix(SUFFIX).removesuffix(OLD_SUFFIX)}
    return None


def incumbent_settings(night: Night, model: str, asked: dict[str, Any]) -> Any:
    """The configuration with which `model` is the incumbent, where it is not the one `asked` for tonight; else None."""
    champion = incumbent(night)
    if champion is None or champion["model"] != model or not champion["settings"]:
        return None
    settings = json.loads(champion["settings"])
    if settings == json.loads(json.dumps(asked)):
        return None
    try:
        given = {name: value for name, value in settings.items() if value is not None}  # None: the model chooses
        return override(REGISTRY[model].Config(), given, f"settings of the incumbent {model}")
    except InputError as error:  # a version of Encore that has other settings
        log.warning("%s; tonight's settings take their place", error)
        return None


def as_incumbent(model: str) -> str:
    """What the model with the incumbent's settings is called in `metrics` and in reasons."""
    return model + SUFFIX


def name_of(champion: Mapping[str, Any] | None, trained: Collection[str]) -> str | None:
    """What was judged tonight in the incumbent's place; trained: names of models with an incumbent's settings."""
    if champion is None:
        return None
    name: str = champion["model"]
    return as_incumbent(name) if as_incumbent(name) in trained else name


def incumbent_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the facts of the training with the incumbent's settings, out of those of train_<model>; empty without
    one."""
    return dict(facts.get(FACT) or facts.get(OLD_FACT) or {})


def trained_incumbents(night: Night) -> dict[str, dict[str, Any]]:
    """<model>-incumbent → its model and the facts of its training; empty where no settings have changed."""
    entries = night.run.entries()
    trained = {name: entries.get(f"train_{name}") for name in night.models}
    done = {name: incumbent_facts(e.facts) for name, e in trained.items() if e and e.state == TaskState.DONE}
    return {as_incumbent(name): {"model": name, **facts} for name, facts in done.items() if facts}
