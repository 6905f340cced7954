"""A deployment on an object store after docs/object-storage.md, whose examples it takes."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.servers import services
from tests.support.servers.s3_proxy import Store

PAGE = (services.ROOT / "docs" / "object-storage.md").read_text()
ENCORE = str(Path(sys.executable).with_name("encore"))
SECRET = "secret-of-the-store"  # must stand in no output and no log


def blocks(language: str) -> list[str]:
    """The page's examples in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def settings_of_the_page() -> dict[str, str]:
    """The variables that the page exports."""
    return dict(re.findall(r"^export ([A-Z_0-9]+)=(\S+)$", blocks("sh")[0], re.MULTILINE))


@dataclass(frozen=True)
class Deployment:
    """A deployment: its store, its folder on this machine, the variables of its commands, where its catalog is."""

    kind: str
    store: Store
    folder: Path
    variables: Mapping[str, str]
    catalog: str

    def encore(self, *words: str, code: int = 0, **variables: str) -> str:
        """The output of `encore WORDS`; it must end with `code` and say no secret."""
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ENCORE_", "SPARK_"))
        }
        environment = {**clean, **self.variables, **variables}
        done = subprocess.run([ENCORE, *words], env=environment, capture_output=True, text=True, cwd=self.folder)
        output = done.stdout + done.stderr
        assert done.returncode == code, f"encore {' '.join(words)} ended with {done.returncode}\n{output[-6000:]}"
        for secret in (SECRET, services.PASSWORD):
            assert secret not in output
        return output

    def here(self, example: str) -> str:
        """An example of the page with this deployment's addresses."""
        text = example.replace("http://s3.example.org:9000", self.store.address)
        return text.replace("catalog.example.org:5432", self.catalog).replace(
            "http://catalog.example.org:8181", self.catalog
        )
