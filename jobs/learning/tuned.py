"""What a search for settings has found: each model's best settings, where they beat its own, as a TOML file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.learning.choice import RESAMPLES, Difference
from jobs.learning.search import WHOLE, Record
from models.evaluation.bootstrap import LEVEL, intervals


@dataclass(frozen=True)
class Finding:
    """Of one model. before, after: NDCG@10 on validation with its own settings and with the best that were tried;
    trials: how many there were; tried: how many of them on all users' histories, beside its own settings."""

    model: str
    settings: Mapping[str, Any]
    before: float
    after: float
    difference: Difference | None
    trials: int
    tried: int
    error: str = ""

    @property
    def better(self) -> bool:
        """Whether the settings beat the model's own by more than the interval."""
        return self.difference is not None and self.difference.low > 0

    def __str__(self) -> str:
        """One line."""
        if self.error:
            return f"{self.model}: its own settings cannot be judged: {self.error}"
        if self.difference is None:
            return f"{self.model}: NDCG@10 {self.before:.4f}; {self.trials} trials, none to its end"
        verdict = "adopt" if self.better else "keep its own settings: not better by more than the interval"
        figures = f"NDCG@10 {self.before:.4f} → {self.after:.4f}, {self.difference}"
        return f"{self.model}: {figures}; {self.trials} trials, {self.tried} to their end; {verdict}"


def findings(records: Sequence[Record], models: Sequence[str], seed: int) -> list[Finding]:
    """The finding for each model that has been tried.

    The interval of the difference is the wider the more settings were compared (Bonferroni): the best of many has luck.
    """
    result = []
    for model in models:
        mine = [record for record in records if record.model == model]
        own = next((record for record in mine if not record.settings), None)
        if own is None:
            continue
        others = [record for record in mine if record.share == WHOLE and record.settings and record.users]
        if own.error or not others:
            result.append(Finding(model, {}, own.ndcg, own.ndcg, None, len(mine), 0, own.error))
            continue
        best = max(others, key=lambda record: record.ndcg)
        gains = np.array(best.users) - np.array(own.users)
        level = 1 - (1 - LEVEL) / len(others)
        low, high = intervals(gains[:, None], seed, RESAMPLES, level)[0]
        difference = Difference(float(gains.mean()), float(low), float(high))
        result.append(Finding(model, best.settings, own.ndcg, best.ndcg, difference, len(mine), len(others)))
    return result


def toml(results: Sequence[Finding], settings: Mapping[str, Mapping[str, Any]], head: Sequence[str]) -> str:
    """The file: a section for each model whose settings are better, over those that the deployment gives it
    (`settings`), and a comment for each."""
    lines = [*(f"# {line}" for line in head), ""]
    for finding in results:
        lines.append(f"# {finding}")
        if finding.better:
            lines.append(f"[models.{finding.model}]")
            values = {**settings.get(finding.model, {}), **finding.settings}
            lines += [f"{name} = {json.dumps(value)}" for name, value in values.items()]
        lines.append("")
    return "\n".join(lines)
