"""Names that DAGs, jobs and tests share. Standard library only: this is all that a DAG may import of Encore."""

import hashlib
import re
import signal
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from enum import IntEnum, StrEnum
from pathlib import Path

SHIPPED_DOMAINS = Path(__file__).parent / "domains"
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")  # of domains and their kinds: they stand in paths, tags and SQL
TOP_K = 20  # items of a user's list where a domain says nothing else
MAX_TOP_K = 1000
GPU_DEVICE = Path("/dev/nvidiactl")  # of the driver; there where a process can use a GPU
LINEAGE = "ENCORE_LINEAGE"  # a variable that has a job add what it read and wrote to its last line
NAME_RULE = "lower-case letters, digits and _, a letter first, at most 63"


def domain_files(own: str | None = None) -> dict[str, Path]:
    """Name → TOML file of every domain, sorted by name: those that Encore ships, and those in the folder `own`.

    A file of `own` (what ENCORE_DOMAINS names) replaces the shipped one of the same name. Only names are looked at, so
    that a file with a mistake fails its jobs, which say what is wrong, and not the DAG. Raises ValueError for a folder
    that is not there, or a file whose name no domain can have.
    """
    if own and not Path(own).is_dir():
        raise ValueError(f"ENCORE_DOMAINS={own}: is not a folder; name one that holds a TOML file for each domain")
    files = {}
    for folder in (SHIPPED_DOMAINS, *([Path(own)] if own else [])):
        for file in folder.glob("[!.]*.toml"):
            if not NAME.fullmatch(file.stem):
                raise ValueError(f"{file}: the file's name is the domain's: it must be {NAME_RULE}, got {file.stem!r}")
            files[file.stem] = file
    return dict(sorted(files.items()))


def top_k_of(files: Mapping[str, Path], config: str | None = None) -> dict[str, int]:
    """Domain → items per user, as its file or `config` (what ENCORE_CONFIG names) has it; mistakes are left to jobs."""
    result = dict.fromkeys(files, TOP_K)
    for name, file in files.items():
        with suppress(OSError, ValueError, KeyError, TypeError):
            result[name] = int(tomllib.loads(file.read_text(encoding="utf-8"))["top_k"])
        with suppress(OSError, ValueError, KeyError, TypeError):
            content = tomllib.loads(Path(config or "").read_text(encoding="utf-8"))
            result[name] = int(content["domains"][name]["top_k"])
    return result


# In the order of publication: what others refer to comes first, `runs` (which makes a night complete) last.
TABLES = (
    "files",
    "rejected",
    "held",
    "replaced",
    "interactions",
    "items",
    "users",
    "reviews",
    "vocabulary",
    "item_similarity",
    "user_similarity",
    "item_vectors",
    "activity",
    "recommendations",
    "continuations",
    "metrics",
    "models",
    "runs",
)

MODELS = (
    "popularity",
    "item_knn",
    "user_knn",
    "content_knn",
    "hybrid_knn",
    "ease",
    "ncf",
    "lstm",
    "sasrec",
    "two_tower",
    "seq2seq",
    "ensemble",
)
# Those of Keras: they train on GPU workers where there are any.
CONTINUING = "seq2seq"  # the model that continues histories
NEURAL = ("ncf", "lstm", "sasrec", "two_tower", "seq2seq")
ENSEMBLE = "ensemble"  # combines the others, so it comes after them
ON_GPU = (*NEURAL, ENSEMBLE)  # champions that make lists on GPU workers: members of an ensemble may be networks
HEADLINE = ("ndcg", 10)  # metric and length of lists by which the gate compares models
# What learns something other than items: settings of its own, but no train task.
SENTIMENT = "review_sentiment"  # judges reviews
DATA = "data"  # the night's own events, in the column `model` of `metrics`: their drift is measured
ACTIVITY = "activity"  # predicts how active users will be
FORECASTERS = ("recency_frequency", ACTIVITY)  # one of which makes the table `activity`: the baseline, and the network
WITH_SETTINGS = (*MODELS, SENTIMENT, ACTIVITY)

OPTIONAL_TASKS = ("report",)  # of a domain's night: it is published without them


class ExitCode(IntEnum):
    """Exit codes of `encore` (docs/usage.md)."""

    DONE = 0
    FAULT = 1
    WRONG_INPUT = 2
    REFUSED = 3


class TaskState(StrEnum):
    """How the attempt of a task that counts ended, in the run's manifest."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


class NightState(StrEnum):
    """What a publication is, in `runs.state`: complete, or without new lists because the gate refused it."""

    COMPLETE = "complete"
    REFUSED = "refused"


# How the DAGs' operator logs that a task ended; `encore nightly` reads those lines.
ENDINGS: Mapping[int, str] = {
    ExitCode.DONE: "done",
    ExitCode.FAULT: "fault",
    ExitCode.WRONG_INPUT: "failed",
    ExitCode.REFUSED: "refused",
}

RUN_CHARACTERS = "[A-Za-z0-9_-]"  # of a run's folder; its longest name has MAX_RUN_NAME of them
MAX_RUN_NAME = 200


def run_folder(run_id: str) -> str:
    """The name of a run's folder: the run's id where a path can hold it, else reduced to it, with eight digits of its
    SHA-256 behind it, so that no two ids share a folder (Airflow's hold `:` and `+`)."""
    if not run_id or re.fullmatch(RUN_CHARACTERS + f"{{1,{MAX_RUN_NAME}}}", run_id):
        return run_id
    reduced = re.sub("[^" + RUN_CHARACTERS[1:], "_", run_id)[: MAX_RUN_NAME // 2]
    return f"{reduced}-{hashlib.sha256(run_id.encode()).hexdigest()[:8]}"


def explain_end(number: int, peak_mib: float) -> str:
    """Why a job ended that a signal ended: the signal, what sends it as a rule, and the job's peak memory."""
    sender = {
        signal.SIGKILL: ", as the system sends it when memory runs out",
        signal.SIGTERM: ", as it is sent to a task that is out of time or is stopped by hand",
        signal.SIGSEGV: ": a fault in native code",
    }
    name = signal.Signals(number)
    return f"ended by {name.name}{sender.get(name, '')}; peak memory {peak_mib:,.0f} MiB"
