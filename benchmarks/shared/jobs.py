"""A deployment in a folder of its own, whose jobs are run one after another and measured with their Spark server."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.shared.processes import Usage, measure

ENCORE = str(Path(sys.executable).with_name("encore"))


@dataclass(frozen=True)
class Deployment:
    """A warehouse, a landing folder and state below `folder`; all output goes to `folder`/log.

    environment: further variables of its commands.
    """

    folder: Path
    domain: str = "movies"
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        """The environment of its commands."""
        places = {name: f"{self.folder}/{name.lower()}" for name in ("WAREHOUSE", "LANDING", "STATE")}
        home = {"AIRFLOW_HOME": f"{self.folder}/airflow"}
        return {**{f"ENCORE_{name}": place for name, place in places.items()}, **home, **self.environment}

    def encore(self, *words: str, run: str = "") -> Usage:
        """Measures `encore WORDS`, with the Spark server of a run. RuntimeError where it fails."""
        self.folder.mkdir(parents=True, exist_ok=True)
        usage = measure([ENCORE, *words], self.folder / "log", self.variables, beside=lambda: self._servers(run))
        if usage.state != "done":
            raise RuntimeError(f"encore {' '.join(words)} {usage.state}; its log is {self.folder}/log")
        return usage

    def _servers(self, run: str) -> Iterator[int]:
        file = self.folder / "state" / "spark" / f"{run}.json"
        if run and file.exists():
            yield int(json.loads(file.read_text())["pid"])

    def jobs(self, ds: str, run: str, models: str, jobs: Sequence[str]) -> Iterator[tuple[str, Usage]]:
        """Runs jobs of a night after its pin, in order: (job, usage). The Spark server is started before."""
        night = ["--domain", self.domain, "--ds", ds, "--run", run]
        self.encore("spark", "start", "--run", run)
        try:
            self.encore("pin", *night, "--models", models)
            for job in jobs:
                yield job, self.encore(job, *night, run=run)
        finally:
            self.encore("spark", "stop", "--run", run)
