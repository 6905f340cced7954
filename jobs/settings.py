"""Where things are and how a night is configured: environment, one TOML file, the trigger's form. Nothing else reads
the environment."""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args
from urllib.parse import unquote

from jobs.errors import InputError
from schemas.domains import DOMAINS, Domain
from schemas.names import MODELS, SENTIMENT

_TYPES = {int: "a whole number", float: "a number", tuple: "a list", bool: "true or false", str: "a text"}
SECTIONS = ("catalog", "spark", "domains", "models")
FIXED = ("name", "verb", "kinds")  # what a domain is, which no file changes
ROOT = Path(__file__).resolve().parents[1]
T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """The deployment. `warehouse` and `landing` are addresses (a path or a file://, s3://, gs:// or hdfs:// URI),
    `airflow` is the program, `airflow_home` its folder, `state` a local folder for what lives no longer than a
    process."""

    warehouse: str
    landing: str
    airflow: str
    airflow_home: str
    state: str
    catalog: Mapping[str, str] = field(default_factory=dict)
    spark: Mapping[str, str] = field(default_factory=dict)
    spark_remote: str | None = None
    spark_submitted: bool = False
    domains: Mapping[str, Domain] = field(default_factory=lambda: DOMAINS)
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment and the TOML file that ENCORE_CONFIG names.

    Raises InputError for an unknown section, setting or type in that file.
    """
    env = os.environ if environment is None else environment
    file = env.get("ENCORE_CONFIG")
    config = _read_toml(file) if file else {}
    _known("section", config, SECTIONS, file)
    catalog, spark, domains, models = (_table(name, config.get(name, {})) for name in SECTIONS)
    _known("domain", domains, DOMAINS, file)
    _known("model", models, (*MODELS, SENTIMENT), file)
    return Settings(
        warehouse=address(env.get("ENCORE_WAREHOUSE") or ROOT / "warehouse"),
        landing=address(env.get("ENCORE_LANDING") or ROOT / "landing"),
        airflow=env.get("ENCORE_AIRFLOW") or str(ROOT / ".venv-airflow" / "bin" / "airflow"),
        airflow_home=env.get("AIRFLOW_HOME") or str(ROOT / ".airflow"),
        state=env.get("ENCORE_STATE") or str(ROOT / ".state"),
        catalog=_strings("catalog", catalog),
        spark=_strings("spark", spark),
        spark_remote=env.get("SPARK_REMOTE"),
        spark_submitted="PYSPARK_GATEWAY_PORT" in env,  # spark-submit has started this very process
        domains={name: override(d, domains.get(name, {}), f"domains.{name}") for name, d in DOMAINS.items()},
        models={name: _table(f"models.{name}", changes) for name, changes in models.items()},
    )


def share_gpu() -> None:
    """Lets Keras' backends take a GPU's memory as they need it, not all at once; what the environment says stands."""
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def address(place: str | Path) -> str:
    """A path made absolute behind file://, unescaped as Spark and Iceberg take it; other URIs without a last slash."""
    text = str(place).rstrip("/") or "/"
    if text.startswith("file://"):
        return unquote(text)
    return text if re.match(r"^[a-z0-9]+://", text) else f"file://{Path(text).resolve()}"


def override(default: T, changes: Mapping[str, Any], where: str) -> T:
    """`default` (a frozen dataclass) with `changes`; InputError for a name or type that it does not know."""
    # `int | None` is a setting that a model chooses: a given value must be of the first type.
    known = {
        f.name: get_args(f.type)[0] if isinstance(f.type, UnionType) else type(getattr(default, f.name))
        for f in fields(default)  # type: ignore[arg-type]
        if f.name not in FIXED
    }
    for name, value in _table(where, changes).items():
        if name not in known:
            raise InputError(f"{where}.{name} is not a setting; there are: {', '.join(known)}")
        wanted = known[name]
        fits = {float: type(value) in (int, float), tuple: type(value) in (list, tuple)}
        if not fits.get(wanted, type(value) is wanted):
            raise InputError(f"{where}.{name} must be {_TYPES.get(wanted, wanted.__name__)}, got {value!r}")
    try:
        return replace(default, **{n: tuple(v) if isinstance(v, list) else v for n, v in changes.items()})  # type: ignore[type-var]
    except ValueError as error:
        raise InputError(str(error)) from error


def _read_toml(file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"ENCORE_CONFIG={file}: cannot be read ({error.strerror}); name an existing file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"ENCORE_CONFIG={file}: not valid TOML: {error}") from error


def _known(what: str, given: Mapping[str, Any], known: Any, file: str | None) -> None:
    for name in given:
        if name not in known:
            raise InputError(f"ENCORE_CONFIG={file}: unknown {what} {name!r}; there are: {', '.join(known)}")


def _table(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{where} must be a table, got {value!r}")
    return value


def _strings(section: str, values: Mapping[str, Any]) -> dict[str, str]:
    for name, value in values.items():
        if isinstance(value, (dict, list)):
            raise InputError(f"{section}.{name} must be a single value, got {value!r}")
    return {name: str(value) for name, value in values.items()}
