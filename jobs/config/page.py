"""docs/settings.md, from the settings themselves: `encore config document > docs/settings.md`."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, is_dataclass
from typing import Any

from jobs.settings import VARIABLES, Settings, model_config
from models.config import TYPES, Setting, settings_of
from schemas.document import grid
from schemas.domains import Domain, Kind
from schemas.names import WITH_SETTINGS

HEAD = """# Settings

Generated from the code by `encore config document > docs/settings.md`; a test compares.

A setting has its default unless a file or the trigger's form changes it: first the domain's TOML file
([domains.md](domains.md)), then the file that `ENCORE_CONFIG` names, then the form. `encore config check` says whether
the files are right, with the file, the key, the rule and the value that breaks it; `pin`, the first task of a night,
checks the same. `encore config show` prints every value with its origin. What holds for a run is kept in
`runs.configuration`.

A variable that is empty counts as not set. Paths of defaults lie in Encore's own folder.
"""
# Variables that are read where no settings are: by the start of processes, by the DAGs, by tests and benchmarks.
ELSEWHERE = (
    (
        "ENCORE_FORKSERVER",
        "`off`, `worker`, path",
        "none; for tasks of the DAGs `worker`",
        "where jobs start: `off` in a process of their own, `worker` in forks of a server that this machine keeps, a "
        "path in forks of the server with this socket ([processes.md](processes.md))",
    ),
    (
        "ENCORE_PSEUDONYM_KEY",
        "text",
        "none",
        "keys of pseudonyms in the environment itself; for imports and people, not for workers",
    ),
    (
        "ENCORE_PSEUDONYM_KEY_FILE",
        "path",
        "none",
        "a file with these keys, that its owner alone may read; for the same ([privacy.md](privacy.md))",
    ),
    (
        "ENCORE_UMASK",
        "three octal digits",
        "`077`",
        "rights that new files do not give; `027` lets a group read them ([privacy.md](privacy.md))",
    ),
    ("ENCORE", "path", "`.venv/bin/encore`", "the program that the DAGs call; for the scheduler and its workers"),
    (
        "ENCORE_WEBHOOK",
        "URL",
        "none",
        "where failed runs are told by POST; for the workers ([monitoring.md](monitoring.md))",
    ),
    (
        "ENCORE_LINEAGE",
        "any",
        "none; for tasks of an Airflow that sends OpenLineage events `1`",
        "a job's last line tells the tables that it read and wrote ([monitoring.md](monitoring.md))",
    ),
    ("ENCORE_EMAIL", "text", "none", "e-mail addresses for the same, separated by commas; for the workers"),
    (
        "ENCORE_STORE_CONNECTION",
        "text",
        "none",
        "the Airflow connection with the object store's credentials ([object-storage.md](object-storage.md))",
    ),
    (
        "ENCORE_REPORT_READERS",
        "text",
        "none",
        'JSON: who may read reports of a domain, `{"movies": ["ann"]}`; for the API server ([privacy.md](privacy.md))',
    ),
    ("ENCORE_IMAGE", "text", "none", "image of the pods of KubernetesExecutor ([operations.md](operations.md))"),
    ("ENCORE_GPU_IMAGE", "text", "none", "image of the pods that train on a GPU"),
    ("ENCORE_GPU_NODES", "`name=value`", "none", "label of the nodes with GPUs, where those pods go"),
    ("ENCORE_DATA", "path", "none", "a folder with public data sets, for tests and benchmarks ([data.md](data.md))"),
    (
        "ENCORE_KILL_EVERY",
        "a whole number",
        "`7`",
        "how many steps of an erasure lie between two kills in tests; 1 in `make fuzz`",
    ),
    ("ENCORE_FUZZ", "a whole number", "`400`", "how many damaged files `tests/fuzz` reads; set by `make fuzz`"),
    ("KERAS_BACKEND", "`tensorflow`, `jax`", "none", "goes before `training.backend`; read by Keras"),
)
# Variables of the templates in docker/kubernetes, which `envsubst` fills in.
TEMPLATES = (
    ("ENCORE_NAMESPACE", "the namespace of all resources"),
    ("ENCORE_INGRESS_NAMESPACE", "the namespace of the ingress controller, which reaches the API server"),
    ("ENCORE_MONITORING_NAMESPACE", "the namespace of Prometheus"),
    (
        "ENCORE_SECRET_STORE",
        "the ClusterSecretStore of External Secrets that holds `encore/airflow` and `encore/store`",
    ),
    ("ENCORE_LOG_CLASS", "a storage class whose volumes many pods can write, for logs of tasks"),
    ("ENCORE_URL", "where people reach Airflow's API server"),
    ("ENCORE_CATALOG", "`uri` of the Iceberg catalog, without its password"),
    ("ENCORE_AIRFLOW_IMAGE", "the image `airflow`: API server, scheduler, DAG processor"),
    ("ENCORE_STATSD_IMAGE", "an image of statsd_exporter"),
    ("ENCORE_SPARK_IMAGE", "an image with Spark and Encore, for a job by the Spark operator"),
    (
        "ENCORE_ARCHIVE",
        "the address of the archive that `encore package` has built, for executors of a Spark Connect server",
    ),
    ("ENCORE_JOB", "the job, such as `clean`"),
    ("ENCORE_DOMAIN", "its `--domain`"),
    ("ENCORE_DS", "its `--ds`"),
    ("ENCORE_RUN", "its `--run`"),
)
FILE = """
## The file of ENCORE_CONFIG

A TOML file with any of these sections; an unknown one is an error. It is read by every command, so keep it where the
scheduler's workers find it.

| section | what it holds |
| --- | --- |
| `[catalog]` | properties of the Iceberg catalog as [PyIceberg](https://py.iceberg.apache.org/configuration/) names them: `type`, `uri`, … ; without the section it is a SQLite file in the warehouse |
| `[spark]` | settings of Spark as [Spark](https://spark.apache.org/docs/latest/configuration.html) names them, in quotes: `"spark.driver.memory" = "4g"` |
| `[domains.NAME]` | settings of a domain, below |
| `[domains.NAME.kinds.KIND]` | settings of a kind of interaction, below; a kind that the domain does not have is added |
| `[models.NAME]` | settings of a model, below |
"""  # noqa: E501


def document() -> str:
    """Generates docs/settings.md."""
    lines = [HEAD, *environment(), FILE + "".join(f"| `[{name}]` | settings, below |\n" for name in sections())]
    for name, config in sections().items():
        lines += [f"## {name.capitalize()}", "", f"`[{name}]`", "", *table(config), ""]
    lines += ["## Domains", "", "`[domains.NAME]`, and the domain's own file.", "", *table(Domain)]
    lines += ["", "### Kinds", "", "`[domains.NAME.kinds.KIND]`", "", *table(Kind), "", "## Models"]
    for name in WITH_SETTINGS:
        lines += ["", f"### {name}", "", f"`[models.{name}]`", "", *table(type(model_config(name)))]
    return "\n".join(lines) + "\n"


def sections() -> dict[str, type]:
    """The sections of the file that have settings of their own, with the class of these."""
    return {name: setting.kind for name, setting in settings_of(Settings).items() if is_dataclass(setting.kind)}


def environment() -> Iterator[str]:
    """The variables, those of the settings first."""
    known = settings_of(Settings)
    rows = [
        (f"`{variable}`", "text", format_default(known[name]), known[name].meaning)
        for name, variable in VARIABLES.items()
    ]
    rows += [(f"`{name}`", form, default, meaning) for name, form, default, meaning in ELSEWHERE]
    yield from ("## Environment", "", *grid(("variable", "type", "default", "meaning"), rows))
    rendered = [(f"`{name}`", meaning) for name, meaning in TEMPLATES]
    yield from ("", "Templates in `docker/kubernetes` have these, for `envsubst`:", "")
    yield from grid(("variable", "what stands for it"), rendered)


def table(config: type) -> Iterator[str]:
    """A line for each setting of a dataclass."""
    settings = (setting for name, setting in settings_of(config).items() if name != "name")
    rows = [(f"`{s.name}`", kind(s), s.rule, s.unit, format_default(s), s.meaning) for s in settings]
    yield from grid(("setting", "type", "range", "unit", "default", "meaning"), rows)


def kind(setting: Setting) -> str:
    """The type in words."""
    return "a table" if setting.kind is Mapping else TYPES[setting.kind]


def format_default(setting: Setting) -> str:
    """The default as TOML has it."""
    default: Any = setting.default
    if default is MISSING:
        return "must be given"
    if default is None:
        return "none"
    if isinstance(default, tuple):
        return "`[" + ", ".join(f'"{part}"' for part in default) + "]`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f'`"{default}"`' if isinstance(default, str) else f"`{default}`"
