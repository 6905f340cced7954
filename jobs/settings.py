"""Settings of the deployment, domains and models. They come from the environment, one TOML file, the TOML
files of the domains, and the trigger's form. docs/settings.md also lists the variables that processes read as they
start (`jobs/forkserver.py`, `jobs/backend.py`) and those of the DAGs, which know no settings of jobs."""

import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from annotated_types import doc

from jobs.addresses import address, require_path
from jobs.errors import InputError
from models.config import Setting, in_toml, settings_of
from schemas.domains import Domain
from schemas.names import ACTIVITY, SENTIMENT, WITH_SETTINGS, domain_files

SECTIONS = ("catalog", "spark", "domains", "models", "training")
ROOT = Path(__file__).resolve().parents[1]
T = TypeVar("T")

# Setting of the deployment → the environment variable that gives it; an empty variable counts as not set.
VARIABLES = {
    "warehouse": "ENCORE_WAREHOUSE",
    "landing": "ENCORE_LANDING",
    "config": "ENCORE_CONFIG",
    "own_domains": "ENCORE_DOMAINS",
    "state": "ENCORE_STATE",
    "airflow": "ENCORE_AIRFLOW",
    "airflow_home": "AIRFLOW_HOME",
    "spark_remote": "SPARK_REMOTE",
}
PATHS = ("state", "airflow", "airflow_home")  # their defaults lie in Encore's own folder, as do the two addresses'


@dataclass(frozen=True)
class Training:
    """How networks are trained, whichever they are."""

    backend: Annotated[Literal["tensorflow", "jax"], doc("what Keras computes with")] = "tensorflow"
    require_gpu: Annotated[
        bool,
        doc("fail at once where a network is trained or used and Keras finds no GPU: for workers of the queue `gpu`"),
    ] = False


@dataclass(frozen=True)
class Settings:
    """The deployment, with the domains as configured and the settings of models that the file changes."""

    warehouse: Annotated[
        str, doc("where the tables are: a path, or an address `file://`, `s3://`, `gs://`, `hdfs://`")
    ] = "warehouse"
    landing: Annotated[str, doc("where imports wait for their night: a path or an address")] = "landing"
    config: Annotated[str | None, doc("a TOML file with the sections below")] = None
    own_domains: Annotated[str | None, doc("a folder with a TOML file for each domain of your own")] = None
    state: Annotated[str, doc("a local folder for what may be lost: caches, sockets, checkpoints")] = ".state"
    airflow: Annotated[str, doc("the program that `encore nightly` calls")] = ".venv-airflow/bin/airflow"
    airflow_home: Annotated[str, doc("Airflow's folder: its database and logs")] = ".airflow"
    spark_remote: Annotated[
        str | None, doc("address of a Spark Connect server, `sc://…`; without one a run starts its own")
    ] = None
    spark_submitted: bool = False  # spark-submit has started this very process
    catalog: Mapping[str, str] = field(default_factory=dict)
    spark: Mapping[str, str] = field(default_factory=dict)
    domains: Mapping[str, Domain] = field(default_factory=lambda: read_domains())
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    training: Training = field(default_factory=Training)


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment, the domains' files and the TOML file that ENCORE_CONFIG names.

    Raises InputError for whatever is wrong in those files, with the file, the key, the rule and the value; settings
    of models are looked at by `check_models`, because that imports the models.
    """
    env = os.environ if environment is None else environment
    given: dict[str, Any] = {name: env[variable] for name, variable in VARIABLES.items() if env.get(variable)}
    default = Settings()
    for name in PATHS:
        given.setdefault(name, str(ROOT / getattr(default, name)))
    for name in ("warehouse", "landing"):
        given[name] = address(given.get(name) or ROOT / getattr(default, name))
    require_path(given["warehouse"])
    file, source = given.get("config"), config_source(given.get("config"))
    sections = read_toml(file, source) if file else {}
    _require_known("section", sections, SECTIONS, source)
    catalog, spark, domains, models, training = (_table(name, sections.get(name, {}), source) for name in SECTIONS)
    known = read_domains(given.get("own_domains"))
    _require_known("domain", domains, known, source)
    _require_known("model", models, WITH_SETTINGS, source)
    return Settings(
        **given,
        spark_submitted="PYSPARK_GATEWAY_PORT" in env,
        catalog=_strings("catalog", catalog, source),
        spark=_strings("spark", spark, source),
        domains={n: override(d, domains.get(n, {}), f"domains.{n}", source) for n, d in known.items()},
        models={name: _table(f"models.{name}", changes, source) for name, changes in models.items()},
        training=build(Training, training, "training", source),
    )


def config_source(file: str | None) -> str:
    """How errors name the TOML file."""
    return f"ENCORE_CONFIG={file}" if file else ""


def domain_names(environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The names of all domains, shipped and own; InputError where ENCORE_DOMAINS is wrong."""
    env = os.environ if environment is None else environment
    return tuple(domain_paths(env.get(VARIABLES["own_domains"])))


def domain_paths(own: str | None) -> dict[str, Path]:
    """Name → TOML file of every domain; InputError where the folder of one's own is wrong."""
    try:
        return domain_files(own)
    except ValueError as error:
        raise InputError(str(error)) from error


def read_domains(own: str | None = None) -> dict[str, Domain]:
    """The domains that Encore ships and those of a folder of one's own, as their files say."""
    return {name: read_domain(file) for name, file in domain_paths(own).items()}


def read_domain(file: Path) -> Domain:
    """The domain of a TOML file, which is called after it; InputError for what is wrong in the file."""
    name, source = file.stem, str(file)
    values = read_toml(source, source)
    if values.setdefault("name", name) != name:
        raise InputError(f"{source}: name must be {name!r}, as the file is called, got {in_toml(values['name'])}")
    return build(Domain, values, f"domains.{name}", source)


def check_models(settings: Settings) -> None:
    """InputError for a setting of a model in ENCORE_CONFIG that the model does not have, or that breaks its rule."""
    for name, changes in settings.models.items():
        override(model_config(name), changes, f"models.{name}", config_source(settings.config))


def model_config(name: str) -> Any:
    """The default configuration of a model; imports the model."""
    if name == SENTIMENT:
        from models.neural.review_sentiment import ReviewSentimentConfig  # Keras takes seconds to import

        return ReviewSentimentConfig()
    if name == ACTIVITY:
        from models.neural.activity import ActivityConfig

        return ActivityConfig()
    from models.registry import REGISTRY

    return REGISTRY[name].Config()


def override(default: T, changes: Mapping[str, Any], where: str, source: str = "") -> T:
    """`default` (a frozen dataclass) with `changes`; InputError for a name or value that it does not allow.

    where: the key of the dataclass in the file. source: the file.
    """
    if "name" in _table(where, changes, source):  # which no file changes
        raise _error(f"{where}.name is not a setting; the name of a domain is that of its file", source)
    values = _values(type(default), changes, where, source, default)
    with _name_place(where, source):
        return replace(default, **values)  # type: ignore[type-var]


def build(kind: type[T], given: Mapping[str, Any], where: str, source: str = "") -> T:
    """A frozen dataclass of the values that are given, and its defaults; errors as in `override`."""
    values = _values(kind, given, where, source, None)
    for name, setting in settings_of(kind).items():
        if setting.default is MISSING and name not in values:
            raise _error(f"{where}.{name} is missing; it is {setting.meaning}", source)
    with _name_place(where, source):
        return kind(**values)


@contextmanager
def _name_place(where: str, source: str) -> Iterator[None]:
    """Errors of settings that do not fit together, with their place."""
    try:
        yield
    except ValueError as error:
        raise _error(f"{where}: {error}", source) from error


def _values(kind: type, given: Any, where: str, source: str, default: Any) -> dict[str, Any]:
    known = settings_of(kind)
    values = {}
    for name, value in _table(where, given, source).items():
        if name not in known:
            names = ", ".join(other for other in known if other != "name")
            raise _error(f"{where}.{name} is not a setting; there are: {names}", source)
        values[name] = _value(known[name], value, f"{where}.{name}", source, getattr(default, name, None))
    return values


def _value(setting: Setting, value: Any, where: str, source: str, default: Any) -> Any:
    if problem := setting.problem(value):
        raise _error(f"{where} {problem}", source)
    if setting.part is not None:  # a table of tables: what is named is changed or added, the rest stays
        old = default or {}
        parts = {
            name: override(old[name], part, f"{where}.{name}", source)
            if name in old
            else build(setting.part, part, f"{where}.{name}", source)
            for name, part in value.items()
        }
        return {**old, **parts}
    if setting.kind is float and value is not None:
        return float(value)
    return tuple(value) if isinstance(value, list) else value


def read_toml(file: str, source: str) -> dict[str, Any]:
    """The tables of a TOML file; InputError where it cannot be read."""
    try:
        return tomllib.loads(Path(file).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"{source}: cannot be read ({error.strerror}); name an existing file") from error
    except ValueError as error:  # TOML, UTF-8, or a number of thousands of digits
        raise InputError(f"{source}: not valid TOML: {error}") from error


def _error(text: str, source: str) -> InputError:
    return InputError(f"{source}: {text}" if source else text)


def _require_known(what: str, given: Mapping[str, Any], known: Any, source: str) -> None:
    for name in given:
        if name not in known:
            raise _error(f"unknown {what} {name!r}; there are: {', '.join(known)}", source)


def _table(where: str, value: Any, source: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _error(f"{where} must be a table, got {in_toml(value)}", source)
    return value


def _strings(section: str, values: Mapping[str, Any], source: str) -> dict[str, str]:
    for name, value in values.items():
        if isinstance(value, (dict, list)):
            raise _error(f"{section}.{name} must be a single value, got {in_toml(value)}", source)
    return {name: str(value) for name, value in values.items()}
