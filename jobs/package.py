"""Builds the Python archive that Spark's executors need: Encore and the packages that its tasks import.

An executor's Python (of the same minor version as this one) finds everything in it, so that nothing has to be installed
on a cluster's machines. docs/operations.md says how Standalone, YARN and Kubernetes are given the archive.
"""

import argparse
import sys
import tarfile
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from jobs.errors import DONE, InputError
from jobs.output import say
from jobs.settings import ROOT

OURS = ("jobs", "models", "schemas")
# What tasks import, with all that these require. Spark brings pyspark itself.
NEEDED = ("numpy", "scipy", "numba", "pyarrow", "pandas", "fsspec", "pillow", "annotated-types", "duckdb", "tenacity")
SPARKS = ("pyspark", "py4j")


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(
        prog="encore package", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--to", required=True, type=Path, metavar="FILE.tar.gz", help="the archive; an old one goes")
    parser.add_argument(
        "--with", dest="more", action="append", default=[], metavar="PACKAGE",
        help="a package more, with what it requires: keras and tensorflow, where `recommend_spark` serves such a model",
    )  # fmt: skip
    return parser


def main(args: argparse.Namespace) -> int:
    """Writes the archive and says how a cluster takes it."""
    if not args.to.name.endswith((".tar.gz", ".tgz")):
        raise InputError(f"--to {args.to}: Spark tells archives by their names; end it with .tar.gz")
    names = requirements([*NEEDED, *args.more])
    aside = args.to.with_name(f".{args.to.name}.part")
    try:
        with tarfile.open(aside, "w:gz", compresslevel=1) as archive:
            for path, name in files(names):
                archive.add(path, name, recursive=False)
        aside.replace(args.to)
    finally:
        aside.unlink(missing_ok=True)
    say(f"{args.to}: {args.to.stat().st_size / (1 << 20):.0f} MiB, Python {sys.version_info[0]}.{sys.version_info[1]}")
    # Python starts in the executor's folder, where the archive is unpacked, or in one of the session's below it.
    say(f"  --archives {args.to.resolve()}#encore --conf spark.executorEnv.PYTHONPATH=./encore:../encore")
    return DONE


def requirements(roots: Iterable[str]) -> list[str]:
    """The installed distributions of these names and all that they require here, sorted."""
    result: set[str] = set()
    waiting = [*roots]
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in result or name in SPARKS:
            continue
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError as error:
            raise InputError(f"{name} is not installed beside this Encore; install it, or leave it out") from error
        result.add(name)
        parsed = (Requirement(text) for text in needs)
        waiting += [one.name for one in parsed if one.marker is None or one.marker.evaluate({"extra": ""})]
    return sorted(result)


def files(names: Iterable[str]) -> Iterator[tuple[Path, str]]:
    """(path here, path in the archive) of Encore's own files and those of distributions; programs are left out."""
    for package in OURS:
        for path in sorted((ROOT / package).rglob("*")):
            if path.is_file():
                yield path, str(path.relative_to(ROOT))
    for name in names:
        for file in metadata.distribution(name).files or []:
            path = Path(str(file.locate()))
            if ".." not in file.parts and path.is_file():
                yield path, str(file)
