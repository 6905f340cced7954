"""The command table: every command of `encore`, declared once; command line, fork server and report follow from it.

Standard library and names only: it is read before anything else is imported.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.names import CONTINUING, MODELS

# What networks compute in: the choices of `--precision`, and what they are to Keras (None: as the device has it).
PRECISIONS: Mapping[str, bool | None] = {"auto": None, "float32": False, "mixed_bfloat16": True}


PSEUDONYM_KEY = "ENCORE_PSEUDONYM_KEY"  # of the environment; no setting, so that nothing that keeps settings has it


@dataclass(frozen=True)
class Command:
    """An interactive command. `module` has `parser()` and `main(args)`, which returns the exit code.

    pseudonym_key: whether it may need the key of pseudonyms, which the others and what they start do not get to see.
    """

    name: str
    module: str
    help: str
    pseudonym_key: bool = False


@dataclass(frozen=True)
class Argument:
    """An argument of a job beside --domain, --ds and --run: its flag, and the options of argparse."""

    flag: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """A job of a night: `module` has `compute(night, attempt, args)`, and a docstring that says what it does.

    Jobs run in forks of the fork server where there is one; interactive commands never do. task: its name in the run's
    manifest, with values of its arguments in braces (default: the job's name). spark: it uses the run's Spark server,
    and belongs into the pool of that name. keras: importing its module imports Keras.
    """

    name: str
    module: str
    help: str
    arguments: tuple[Argument, ...] = ()
    task: str = ""
    spark: bool = False
    keras: bool = False

    def task_of(self, arguments: Mapping[str, Any]) -> str:
        """The name of the task in the manifest, for the arguments of a call."""
        return (self.task or self.name).format(**arguments)


INTERACTIVE = (
    Command("import", "jobs.imports", "bring files of a known format into the landing folder", pseudonym_key=True),
    Command("deliveries", "jobs.deliveries", "list what was imported in the order of arrival, or withdraw it"),
    Command("nightly", "jobs.nightly", "run a whole night through the Airflow DAG, then show it"),
    Command("user", "jobs.user", "one user: history, recommendations with reasons, similar users; all as JSON", True),
    Command("erase", "jobs.erase", "erase users everywhere, or verify that they are gone", pseudonym_key=True),
    Command("pseudonyms", "jobs.pseudonyms", "keys of pseudonyms, and their rotation", pseudonym_key=True),
    Command("status", "jobs.status", "each domain's last complete night; with a limit, whether it is too old"),
    Command("report", "jobs.report.viewer", "a night: metrics, one user's list, where its HTML report and tables are"),
    Command("tables", "jobs.tables", "list, show, query, roll back, expire, export, check, back up published tables"),
    Command("tune", "jobs.tune", "search settings of models on the last night's validation; writes a TOML file"),
    Command("config", "jobs.config", "check the settings, show them with their origin"),
    Command("spark", "jobs.spark.server", "start or stop the Spark Connect server of a run"),
    Command("package", "jobs.package", "build the archive that the executors of a Spark cluster need"),
)

TOP_K = Argument("--top-k", {"type": int, "help": "items per user (default: the domain's)"})
CHOSEN = Argument("--models", {"default": ",".join(MODELS), "help": "models to train, separated by commas"})
SETTINGS = Argument(
    "--settings",
    {"default": "{}", "metavar": "JSON", "help": "settings of models: as [models], {model: {name: value}}"},
)
TRIGGER = Argument("--trigger", {"default": "manual", "help": "what started the run"})
TRIGGERED_AT = Argument("--triggered-at", {"metavar": "TIME", "help": "when a person asked for the run (ISO 8601)"})
MODEL = Argument("--model", {"required": True, "choices": MODELS, "help": "which one"})
REQUIRE_GPU = Argument("--require-gpu", {"action": "store_true", "help": "fail at once where Keras finds no GPU"})
_PRECISION = "what networks compute in; auto: bfloat16 with float32 weights on a GPU, else float32"
PRECISION = Argument("--precision", {"choices": [*PRECISIONS], "default": "auto", "help": _PRECISION})

# In the order of the night, which is that of its report.
JOBS = (
    Job(
        "pin",
        "jobs.pin",
        "pin the run's inputs and its configuration",
        (TOP_K, CHOSEN, SETTINGS, TRIGGER, TRIGGERED_AT),
    ),
    Job("clean", "jobs.clean", "judge every new row: accepted, known, corrected, held, rejected", spark=True),
    Job("vocabulary", "jobs.vocabulary", "give new users and items their row numbers", spark=True),
    Job("sequences", "jobs.sequences", "events in each user's order, split by time", spark=True),
    Job("item_similarity", "jobs.item_similarity", "the nearest items of every item", spark=True),
    Job("user_similarity", "jobs.user_similarity", "the nearest users of every user", spark=True),
    Job("sentiment", "jobs.sentiment", "sentiment score of each review that has none", (REQUIRE_GPU,), keras=True),
    Job("activity", "jobs.activity", "how active each user will be in the next week", keras=True),
    Job("train", "jobs.train", "train one model", (MODEL, REQUIRE_GPU, PRECISION), "train_{model}"),
    Job("evaluate", "jobs.evaluate", "measure all models on the held-out events"),
    Job("gate", "jobs.gate", "choose the champion"),
    Job("recommend", "jobs.recommend", "the champion's list for every user", (REQUIRE_GPU,)),
    Job(
        "continuations", "jobs.continuations", "next items of each user's history, in order", (REQUIRE_GPU,), keras=True
    ),
    Job("publish", "jobs.publish", "check the night's tables and commit them"),
    Job("html_report", "jobs.html_report", "write the HTML report of a published run", task="report"),
)
COMMANDS: Mapping[str, Command | Job] = {command.name: command for command in (*INTERACTIVE, *JOBS)}
SPARK = ("spark_check", "spark_stop")  # tasks of the run, beside those of its domains


def tasks(models: Collection[str]) -> list[str]:
    """The tasks of one domain's night with these models that call a job."""
    names = [job for job in JOBS if job.name != "continuations" or CONTINUING in models]
    return [task for job in names for task in ([f"train_{m}" for m in models] if job.name == "train" else [job.name])]
