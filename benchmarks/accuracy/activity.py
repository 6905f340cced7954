"""The forecast of activity over time: the network against regression on recency and frequency, week by week.

    python -m benchmarks.accuracy.activity [--data movies …] [--weeks 4] [--measurement docs/measurements/activity.json]

Each week both models learn the days whose following week is over when it begins, as in a night, and predict who of the
users seen so far is active in it. Needs movielens-100k and movielens-latest-small in $ENCORE_DATA.
"""

import argparse
import shlex
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.shared.measurement import Cell, Table, markdown, measured_now, write
from benchmarks.shared.timed import DATA
from jobs.learning.forecasting import baseline, learnable
from models.evaluation.bootstrap import intervals
from models.evaluation.forecasts import Interval, auc, auc_difference, brier
from models.features.activity import HORIZON_DAYS, ActiveDays, active_days, events_ahead, examples
from models.neural.activity import Activity, ActivityConfig

COLUMNS = (
    *("data", "week", "users", "active", "AUC, recency and frequency", "AUC, network", "difference, paired"),
    *("Brier, recency and frequency", "Brier, network", "difference, paired", "learned", "seconds"),
)


def week(days: ActiveDays, last: int, seed: int) -> list[Cell]:
    """What is measured of the week that ends with day `last`."""
    learn, test = learnable(days, last - HORIZON_DAYS), examples(days, np.array([last - HORIZON_DAYS]))
    active = events_ahead(days, test) > 0
    known = baseline(days)(learn)(test).probability
    started = time.perf_counter()
    network = Activity(ActivityConfig()).fit(days, learn, seed).predict(days, test).probability
    seconds = time.perf_counter() - started
    errors = [brier(probability, active) for probability in (known, network)]
    gain = errors[1] - errors[0]
    low, high = intervals(gain[:, None], seed)[0]
    return [
        *(len(test), f"{active.mean():.3f}", f"{auc(known, active).value:.4f}", f"{auc(network, active).value:.4f}"),
        str(auc_difference(network, known, active)),
        *(f"{error.mean():.4f}" for error in errors),
        str(Interval(float(gain.mean()), float(low), float(high))),
        *(len(learn), round(seconds)),
    ]


def until(days: ActiveDays, last: int) -> ActiveDays:
    """What was known at the end of a day."""
    kept = np.flatnonzero(days.day <= last)
    events = np.diff(days.events)[kept]
    return ActiveDays(days.user[kept], days.day[kept], np.concatenate([[0], np.cumsum(events)]))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    parser.add_argument("--weeks", type=int, default=4, help="the last so many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--measurement", metavar="FILE", type=Path, help="JSON for docs/measurements")
    args = parser.parse_args()
    rows: list[list[Cell]] = []
    for name in args.data:
        days = active_days(DATA[name]().histories)
        for back in range(args.weeks):
            last = int(days.day.max()) - back * HORIZON_DAYS
            rows.append(
                [name, f"{back} before the last" if back else "the last", *week(until(days, last), last, args.seed)]
            )
            print(*rows[-1], sep=" | ", flush=True)
    caption = (
        f"Each week's forecast by models that learned up to the day before it (seed {args.seed}); differences are the "
        "network's less the regression's, with 95 % intervals (DeLong for AUC, bootstrap over users for the Brier "
        "score, where less is better). `learned`: pairs of a user and the end of a day; `seconds`: training "
        "and forecast of the network."
    )
    table = Table(caption, COLUMNS, rows)
    print("\n".join(markdown(table)))
    if args.measurement:
        command = f"python -m benchmarks.accuracy.activity {shlex.join(sys.argv[1:])}"
        write(measured_now("Forecasts of activity, week by week", [command], [table]), args.measurement)


if __name__ == "__main__":
    main()
