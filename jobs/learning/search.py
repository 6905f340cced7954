"""Random search for settings (Bergstra, Bengio 2012) with successive halving (Jamieson, Talwalkar 2016).

Of nine settings at random, each learned from a ninth of the users, the three best learn from a third, the best of these
from all; then nine others. What has been tried is kept, so that a search that was ended goes on, and the same seed
tries the same settings in the same order.
"""

import json
import logging
import signal
import time
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from jobs.errors import InputError
from jobs.learning.search_space import SPACES, draw
from jobs.storage.files import read_bytes, write_bytes
from models.base import TrainingData
from models.evaluation.validation import sample_users, user_ndcg
from models.histories import Histories, from_events
from models.registry import REGISTRY

SHARES = (1 / 9, 1 / 3, 1.0)  # of the users whose histories a trial learns from
BRACKETS = 50  # of each model, at most
DRAWS = 9  # settings of a bracket; a third of them stays for the next share
WHOLE = SHARES[-1]
log = logging.getLogger(__name__)


class OutOfTimeError(BaseException):
    """The budget has ended in the middle of a trial; no handler of errors is to take it for one."""


class Trial(NamedTuple):
    """What is tried: settings of a model that differ from those it has, on a share of the users."""

    model: str
    settings: Mapping[str, Any]
    share: float


@dataclass(frozen=True)
class Record:
    """What came of a trial. ndcg: NDCG@10 on validation; users: that of each user, for trials on all users' histories.
    error: why there is none."""

    model: str
    settings: Mapping[str, Any]
    share: float
    seconds: float
    ndcg: float = -1.0
    users: tuple[float, ...] = ()
    error: str = ""

    @property
    def trial(self) -> Trial:
        """The trial."""
        return Trial(self.model, self.settings, self.share)


class Journal:
    """The trials of one search, kept at an address, in one file that is whole at any time."""

    def __init__(self, address: str, search: Mapping[str, Any]) -> None:
        """Reads what is there. search: all that the trials depend on; InputError where the file is of another one."""
        self.address, self.search = address, json.loads(json.dumps(search))
        self.records: list[Record] = []
        if (content := read_bytes(address)) is None:
            return
        try:
            kept = json.loads(content)
            differing = [name for name in self.search if kept["search"].get(name) != self.search[name]]
            self.records = [Record(**record) for record in kept["records"]]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(f"{address}: holds no trials of `encore tune` ({error}); remove it") from error
        if differing:
            was, now = kept["search"].get(differing[0]), self.search[differing[0]]
            raise InputError(
                f"{address}: holds trials of another search, whose {differing[0]} was {was!r} and not {now!r}; remove "
                "it, or write to another file"
            )

    def find(self, trial: Trial) -> Record | None:
        """The record of a trial, where it has been done."""
        return next((record for record in self.records if record.trial == trial), None)

    def add(self, record: Record) -> None:
        """Keeps a record."""
        self.records.append(record)
        content = {"search": self.search, "records": [asdict(each) for each in self.records]}
        write_bytes(self.address, json.dumps(content).encode())

    @property
    def seconds(self) -> float:
        """What all trials took."""
        return sum(record.seconds for record in self.records)


def plan(models: Sequence[str], seed: int) -> Generator[Trial, float, None]:
    """The trials in their order; `send` takes the NDCG of each. The models' own settings come first, then a bracket of
    each model in turn, but for models that cannot learn (an NDCG below 0)."""
    able = []
    for model in models:
        if (yield Trial(model, {}, WHOLE)) >= 0:
            able.append(model)
    for bracket in range(BRACKETS):
        for model in able:
            random = np.random.default_rng([seed, bracket, zlib.crc32(model.encode())])
            left = [draw(SPACES[model], random) for _ in range(DRAWS)]
            for share in SHARES:
                reached = []
                for settings in left:
                    reached.append((yield Trial(model, settings, share)))
                best = np.argsort([-ndcg for ndcg in reached], kind="stable")[: max(len(left) // 3, 1)]
                left = [left[place] for place in best]


def search(
    trials: Generator[Trial, float, None], journal: Journal, measure: Callable[[Trial], Record], budget: float
) -> None:
    """Goes through the trials until `budget` seconds are over, those of the journal's trials among them; a trial that
    the end meets is not kept."""
    ends = time.monotonic() + budget - journal.seconds
    trial = next(trials)
    while True:
        record = journal.find(trial)
        if record is None:
            try:
                with deadline(ends - time.monotonic()):
                    record = measure(trial)
            except OutOfTimeError:
                log.info("the budget is used up after %d trials", len(journal.records))
                return
            journal.add(record)
            value = record.error or f"NDCG@10 {record.ndcg:.4f}"
            log.info("%s of %.0f %% of the users, %s: %s", trial.model, 100 * trial.share, dict(trial.settings), value)
        try:
            trial = trials.send(record.ndcg)
        except StopIteration:
            return


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raises OutOfTimeError in its body once the seconds are over; at once where they are. In the main thread alone."""

    def end(number: int, frame: Any) -> None:
        raise OutOfTimeError

    if seconds <= 0:
        raise OutOfTimeError
    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def measure(trial: Trial, configs: Mapping[str, Any], data: TrainingData) -> Record:
    """Learns from the share of the users and lists for the users of the validation, who are the same in all trials.

    configs: each model's own settings. Data that a model cannot learn, or settings that do not fit together, are a
    record with an error.
    """
    started = time.perf_counter()
    validation = sample_users(data.validation, data.seed)
    assert validation is not None
    try:
        config = replace(configs[trial.model], **trial.settings)
        given = replace(data, histories=share_of_users(data.histories, trial.share, data.seed))
        values = user_ndcg(REGISTRY[trial.model](config).fit(given), validation)
    except (ValueError, MemoryError) as error:
        return Record(*trial, round(time.perf_counter() - started, 3), error=str(error) or type(error).__name__)
    users = tuple(np.round(values, 6).tolist()) if trial.share == WHOLE else ()
    return Record(*trial, round(time.perf_counter() - started, 3), round(float(values.mean()), 6), users)


def share_of_users(histories: Histories, share: float, seed: int) -> Histories:
    """The histories of a share of the users, drawn by the seed; the others have none. A larger share holds a smaller
    one."""
    if share == WHOLE:
        return histories
    kept = np.zeros(histories.n_users, bool)
    kept[np.random.default_rng(seed).permutation(histories.n_users)[: round(share * histories.n_users)]] = True
    users = histories.users
    some = kept[users]
    times = None if histories.times is None else histories.times[some]
    arrays = users[some], histories.items[some], histories.values[some], times
    return from_events(*arrays, histories.n_users, histories.n_items, histories.ordered)
