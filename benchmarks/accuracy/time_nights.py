"""Nights of the demo one after the other: what the gate chooses by a test of seven days and of one, and how that does
on the events which the lists then meet. Part of benchmarks/accuracy/time_split.py."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.stats import spearmanr

from benchmarks.shared.measurement import Cell, Table
from benchmarks.shared.time_splits import Floats, Trained, between_days, serving, targets, training_data, user_ndcg
from benchmarks.shared.timed import Timed
from jobs.learning.arrays import held_out
from jobs.learning.choice import Judged, choose
from jobs.settings import read_domains
from models.data import HeldOut
from models.evaluation.beyond_accuracy import coverage, describe_items, tail_items
from models.evaluation.bootstrap import intervals
from models.histories import DAY_MICROSECONDS
from models.serving.lists import Serving
from models.serving.ranking import serve

DOMAINS = ("movies", "music", "games")
MODELS = ("popularity", "item_knn", "user_knn", "content_knn", "hybrid_knn", "ease")
SPLITS = {"7 + 7": (7, 7), "1 + 7": (1, 7), "1 + 1": (1, 1)}  # days of the test and of the validation before it
AHEAD = {"day after": 1, "week after": 7}  # days on which what was published is judged
K = 10
Ndcg = Mapping[str, Floats]  # model → [n_users]


@dataclass(frozen=True)
class Night:
    """A night by one split. judged: on the test, by models that learned what was before the validation. old: the same
    models on the day after the night. met: by AHEAD, the models after they learned all of the night, on the events that
    followed. choice: the gate's."""

    domain: str
    split: str
    judged: Ndcg
    old: Ndcg
    met: Mapping[str, Ndcg]
    choice: str

    def winner(self, ahead: str) -> str:
        """The best model on the events that followed."""
        return max(self.met[ahead], key=lambda name: float(self.met[ahead][name].mean()))

    def is_beaten(self, ahead: str) -> bool:
        """Whether the winner was better than the choice beyond the interval of the paired difference."""
        met = self.met[ahead]
        gap = met[self.winner(ahead)] - met[self.choice]
        return bool(intervals(gap[:, None], 0)[0][0] > 0)


def measure(timed: Timed, nights: int) -> Iterator[Night]:
    """The last nights whose following week is known, by each split; each champion is the next incumbent."""
    assert timed.histories.times is not None
    newest = int(timed.histories.times.max()) // DAY_MICROSECONDS
    last = newest - max(AHEAD.values())
    for split, (test_days, validation_days) in SPLITS.items():
        champion: str | None = None
        for day in range(last - nights + 1, last + 1):
            night = one_night(timed, split, day - test_days, validation_days, day, champion)
            champion = night.choice
            yield night


def one_night(timed: Timed, split: str, known: int, validation_days: int, day: int, incumbent: str | None) -> Night:
    """The night of `day`, whose test begins after the day `known`."""
    events, begin = timed.histories, known - validation_days
    train, before, every = (between_days(events, 0, end) for end in (begin, known, day))
    ahead = {name: targets(every, between_days(events, day + 1, day + days))["all"] for name, days in AHEAD.items()}
    data = training_data(timed, train, held_out(train, between_days(events, begin + 1, known)))
    made, test = serving(data), held_out(before, between_days(events, known + 1, day))
    trained = Trained.on(data, MODELS)
    lists = {name: serve(model, made, test, K) for name, model in trained.models.items()}
    judged = {name: user_ndcg(served, test, K) for name, served in lists.items()}
    about = describe_items(train, timed.catalogue)
    overall = {(name, "coverage"): coverage(served.items, events.n_items) for name, served in lists.items()}
    overall |= {(n, "tail_items"): float(np.nanmean(tail_items(served.items, about))) for n, served in lists.items()}
    new = np.diff(test.histories.indptr) == 0
    choice = choose(Judged(judged, new, overall), [*trained.models], incumbent, read_domains()[timed.name])
    old = judge(trained, made, ahead["day after"])
    later = training_data(timed, every, None)
    trained.learn(later)
    made = serving(later)
    met = {name: judge(trained, made, held) for name, held in ahead.items()}
    return Night(timed.name, split, judged, old, met, choice.champion)


def judge(trained: Trained, made: Serving, held_out: HeldOut) -> Ndcg:
    """NDCG@10 of each user, by model."""
    return {name: user_ndcg(serve(model, made, held_out, K), held_out, K) for name, model in trained.models.items()}


def tables(nights: Sequence[Night]) -> list[Table]:
    """Old models, and the gate's choices."""
    groups = {
        (domain, split): some
        for domain in dict.fromkeys(night.domain for night in nights)
        for split in SPLITS
        if (some := [night for night in nights if (night.domain, night.split) == (domain, split)])
    }
    return [ages(groups), choices(groups)] if groups else []


def ages(groups: Mapping[tuple[str, str], Sequence[Night]]) -> Table:
    """How accurate old models are."""
    rows: list[list[Cell]] = []
    for (domain, split), some in groups.items():
        test_days, validation_days = SPLITS[split]
        models = [*some[0].judged]
        judged, old, met = (
            np.array([[float(ndcg[name].mean()) for name in models] for ndcg in each])
            for each in ([n.judged for n in some], [n.old for n in some], [n.met["day after"] for n in some])
        )
        ranks = [spearmanr(one, other).statistic for one, other in zip(judged, met, strict=True)]
        width = np.mean([np.diff(intervals(n.judged[n.choice][:, None], 0)[0]) / 2 for n in some])
        users = np.mean([len(n.judged[n.choice]) for n in some])
        row: list[Cell] = [domain, split, test_days + validation_days, round(users), f"±{width:.4f}"]
        row += [f"{each.mean():.4f}" for each in (judged, old, met)]
        rows.append([*row, f"{old.mean() / met.mean() - 1:+.1%}", f"{np.mean(ranks):.2f}"])
    columns = (
        *("domain", "test + validation", "days old", "users judged a night", "half interval of the choice"),
        *("NDCG@10 judged", "NDCG@10, day after, old", "NDCG@10, day after, published", "old to published"),
        "Spearman, judged and day after",
    )
    caption = (
        f"{_nights(groups)}. Means over nights and models ({', '.join(MODELS)}, ensemble). `judged`: on the test, by "
        "models that learned what was before the validation; `old`: these on the day after the night, with all of the "
        "users' events before it; `published`: after they learned all up to the night. Spearman: of the models' "
        "NDCG@10 on the test and, published, on the day after."
    )
    return Table(caption, columns, rows)


def choices(groups: Mapping[tuple[str, str], Sequence[Night]]) -> Table:
    """Whether the gate's choice was right."""
    rows: list[list[Cell]] = []
    for (domain, split), some in groups.items():
        row: list[Cell] = [domain, split, _chosen(night.choice for night in some)]
        for ahead in AHEAD:
            chosen = np.mean([night.met[ahead][night.choice].mean() for night in some])
            best = np.mean([night.met[ahead][night.winner(ahead)].mean() for night in some])
            right = sum(night.winner(ahead) == night.choice for night in some)
            unbeaten = sum(not night.is_beaten(ahead) for night in some)
            row += [f"{right} of {len(some)}", f"{unbeaten} of {len(some)}", f"{chosen:.4f}", f"{best:.4f}"]
        following = [n.choice == max(m.judged, key=lambda name: m.judged[name].mean()) for n, m in pairwise(some)]
        rows.append([*row, f"{sum(following)} of {len(following)}"])
    columns = ["domain", "test + validation", "chosen, nights"]
    for ahead in AHEAD:
        columns += [f"best, {ahead}", f"not beaten, {ahead}", f"NDCG@10, {ahead}", f"NDCG@10 of the best, {ahead}"]
    columns += ["best on the next night's test"]
    caption = (
        f"{_nights(groups)}, by the rules of the gate, each night's champion the next one's incumbent. `best`: the "
        "choice had the highest NDCG@10 on the events that followed; `not beaten`: no model was better beyond the 95 % "
        "interval of the paired difference."
    )
    return Table(caption, columns, rows)


def _nights(groups: Mapping[tuple[str, str], Sequence[Night]]) -> str:
    return f"{len(next(iter(groups.values())))} nights of each domain of the demo"


def _chosen(names: Iterable[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in Counter(names).most_common())
