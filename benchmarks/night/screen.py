"""What a night on real files ended with: its models and one user's list, from the published tables.

    make nightly SOURCE=movielens:$ENCORE_DATA/movielens-latest-small DOMAIN=movies DS=2018-09-24
    python -m benchmarks.night.screen --domain movies --user 414 --measurement docs/measurements/movielens-night.json

The README shows an excerpt of it, which tests/test_readme.py compares.
"""

import argparse
from pathlib import Path

from benchmarks.shared.measurement import Cell, Table, measured_now, write
from jobs import settings
from jobs.storage.catalog import Tables
from jobs.storage.sql import open_tables

COMMANDS = (
    "make nightly SOURCE=movielens:$ENCORE_DATA/movielens-latest-small DOMAIN=movies DS=2018-09-24",
    "python -m benchmarks.night.screen --domain movies --user 414 --measurement docs/measurements/movielens-night.json",
)
SHOWN = (("ndcg", 10), ("hr", 10), ("recall", 20))
MODELS = """SELECT model, status, round(train_seconds, 2) FROM latest.models
    JOIN latest.metrics USING (domain, ds, model)
    WHERE domain = $domain AND segment = 'all' AND metric = 'ndcg' AND k = 10
    ORDER BY status <> 'champion', value DESC"""
METRIC = """SELECT format('{:.4f} {:.3f}–{:.3f}', value, low, high) FROM latest.metrics
    WHERE domain = $domain AND segment = 'all' AND model = $model AND metric = $metric AND k = $k"""
LIST = """SELECT rank, items.title, printf('%.4f', score), model, because FROM latest.recommendations
    JOIN latest.items USING (domain, item_id) WHERE domain = $domain AND user_id = $user ORDER BY rank LIMIT 10"""


def tables(domain: str, user: str) -> list[Table]:
    """The models of a domain's last complete night, the champion first, and a user's list."""
    with open_tables(Tables(settings.load())) as db:
        models: list[list[Cell]] = []
        for model, status, seconds in db.execute(MODELS, {"domain": domain}).fetchall():
            words = [{"domain": domain, "model": model, "metric": metric, "k": k} for metric, k in SHOWN]
            values = [db.execute(METRIC, each).fetchall()[0][0] for each in words]
            models.append([model, status, *values, f"{seconds:.2f}"])
        (night,) = db.execute("SELECT ds, run_id FROM latest WHERE domain = $domain", {"domain": domain}).fetchall()
        rows = [list(row) for row in db.execute(LIST, {"domain": domain, "user": user}).fetchall()]
    columns = ["model", "status", *(f"{metric}@{k}" for metric, k in SHOWN), "train s"]
    return [
        Table(f"{domain} {night[0]}: models on held-out events, with 95 % intervals", columns, models),
        Table(f"The list of user {user}", ["rank", "title", "score", "model", "because"], rows),
    ]


def main() -> None:
    """Writes the measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domain", default="movies")
    parser.add_argument("--user", default="414")
    parser.add_argument("--measurement", type=Path, required=True)
    args = parser.parse_args()
    write(measured_now("A night of MovieLens latest-small", COMMANDS, tables(args.domain, args.user)), args.measurement)


if __name__ == "__main__":
    main()
