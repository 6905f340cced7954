"""The command line: `encore <command>`. A command's module is imported only when it is called."""

import importlib
import logging
import sys
import traceback
from collections.abc import Mapping, Sequence

from jobs import forkserver
from jobs.errors import DONE, FAULT, WRONG_INPUT, ContractError, InputError, RefusedError

# command → (module, what it does). Each module has `parser()` and `main(args) -> exit code`.
PEOPLE: Mapping[str, tuple[str, str]] = {
    "import": ("jobs.imports", "bring files of a known format into the landing folder"),
    "nightly": ("jobs.nightly", "run a whole night through the Airflow DAG, then show it"),
    "user": ("jobs.user", "one user: history, recommendations with reasons, similar users"),
    "status": ("jobs.status", "each domain's last complete night; with a limit, whether it is too old"),
    "report": ("jobs.report", "a night: metrics, one user's list, where its page and the tables are"),
    "tables": ("jobs.tables", "list, show, query, roll back, expire, export, check, back up the published tables"),
    "config": ("jobs.config", "check the settings, show them with their origin"),
    "spark": ("jobs.spark.server", "start or stop the Spark Connect server of a run"),
}
NIGHT: Mapping[str, tuple[str, str]] = {
    "pin": ("jobs.pin", "pin the run's inputs and its configuration"),
    "clean": ("jobs.clean", "judge every new row: accepted or rejected with reasons"),
    "vocabulary": ("jobs.vocabulary", "give new users and items their row numbers"),
    "sequences": ("jobs.sequences", "events in each user's order, split by time"),
    "item_similarity": ("jobs.item_similarity", "the nearest items of every item"),
    "user_similarity": ("jobs.user_similarity", "the nearest users of every user"),
    "sentiment": ("jobs.sentiment", "how positive each review without a verdict is"),
    "train": ("jobs.train", "train one model on the training events"),
    "evaluate": ("jobs.evaluate", "judge all models on the held-out events"),
    "gate": ("jobs.gate", "choose the champion"),
    "recommend": ("jobs.recommend", "the champion's list for every user"),
    "recommend_spark": ("jobs.recommend_spark", "the same on the executors of a Spark cluster"),
    "continuations": ("jobs.continuations", "how each user's history goes on"),
    "publish": ("jobs.publish", "check the night's tables and commit them"),
}
COMMANDS = {**PEOPLE, **NIGHT}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0 done, 1 a fault, 2 wrong input, 3 refused by the gate."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview())
        return DONE
    if words[0] not in COMMANDS:
        print(f"error: encore has no command {words[0]!r}; `encore --help` lists them", file=sys.stderr)
        return WRONG_INPUT
    if words[0] in NIGHT and (code := forkserver.delegated(words)) is not None:
        return code
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("pyiceberg").setLevel(logging.WARNING)
    module = importlib.import_module(COMMANDS[words[0]][0])
    try:
        args = module.parser().parse_args(words[1:])  # asks ENCORE_DOMAINS which domains there are
        return int(module.main(args) or DONE)
    except (InputError, RefusedError, ContractError) as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        traceback.print_exc()
        print(f"error: {words[0]}: {type(error).__name__}: {error}", file=sys.stderr)
        return FAULT


def overview() -> str:
    """The text of `encore --help`."""
    width = max(map(len, COMMANDS))
    rows = [f"  {name:<{width}}  {what}" for name, (_, what) in PEOPLE.items()]
    night = [f"  {name:<{width}}  {what}" for name, (_, what) in NIGHT.items()]
    return "\n".join(
        [
            "Encore computes, every night, what to recommend to each user.",
            "",
            "usage: encore <command> [options]        encore <command> --help explains one",
            "",
            "First night on MovieLens files (latest-small, 25M, 32M):",
            "  encore import movielens ~/ml-latest-small --domain movies --ds 2018-09-24",
            "  encore nightly --domain movies --ds 2018-09-24",
            '  encore tables sql "SELECT * FROM latest.recommendations LIMIT 5"',
            "",
            "For people:",
            *rows,
            "",
            "Jobs of a night, in order, as the DAG calls them (--domain, --ds, --run):",
            *night,
            "",
            "Exit codes: 0 done · 1 a fault, try again · 2 wrong usage or input, mend it · 3 refused by the gate",
            "Environment: ENCORE_WAREHOUSE, ENCORE_LANDING, ENCORE_CONFIG (TOML), ENCORE_DOMAINS, … (docs/settings.md)",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
