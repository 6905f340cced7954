"""A Spark cluster on the loopback: a standalone master, workers, and a Connect server that other processes share."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.servers.services import ROOT, free_port, process

HOME = next((ROOT / ".venv" / "lib").glob("python*/site-packages/pyspark"))
MASTER, WORKER = "org.apache.spark.deploy.master.Master", "org.apache.spark.deploy.worker.Worker"
CONNECT = "org.apache.spark.sql.connect.service.SparkConnectServer"
JAVA = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m"
# What docs/operations.md has the Connect server started with.
SETTINGS = {
    "spark.driver.memory": "2g",
    "spark.executor.memory": "1g",
    "spark.executor.cores": "1",
    "spark.cores.max": "2",  # of a standalone cluster: the rest is for others
    "spark.python.daemon.module": "jobs.similarity.worker",
    "spark.executorEnv.PYTHONPATH": "./encore:../encore",
    "spark.driver.extraJavaOptions": JAVA,
    "spark.executor.extraJavaOptions": JAVA,
}


@dataclass(frozen=True)
class Cluster:
    """`master` is its address, `folder` has the logs and the work of executors."""

    master: str
    folder: Path
    environment: Mapping[str, str]

    @contextmanager
    def connect(self, archive: Path | None, **settings: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
        """A Connect server on the cluster with SETTINGS and more; its address as in SPARK_REMOTE, and its process."""
        port, ui = free_port(), free_port()
        chosen = {
            **SETTINGS,
            **({"spark.archives": f"{archive}#encore"} if archive else {}),
            "spark.connect.grpc.binding.address": "127.0.0.1",
            "spark.connect.grpc.binding.port": str(port),
            "spark.ui.port": str(ui),
            "spark.sql.warehouse.dir": str(self.folder / "spark-warehouse"),
            **{name.replace("__", "."): value for name, value in settings.items()},
        }
        options = [word for name, value in chosen.items() if value for word in ("--conf", f"{name}={value}")]
        submit = [str(HOME / "bin" / "spark-submit"), "--master", self.master, "--class", CONNECT, *options]
        with process(
            [*submit, "spark-internal"], self.folder / f"connect-{port}.log", port, env=self.environment
        ) as server:
            yield f"sc://127.0.0.1:{port}", server

    def executors(self) -> list[int]:
        """The pids of its executors' JVMs."""
        every = subprocess.run(["pgrep", "-f", "CoarseGrainedExecutorBackend"], capture_output=True, text=True)
        return sorted(int(pid) for pid in every.stdout.split() if str(self.folder) in _working_folder(pid))


def _working_folder(pid: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/cwd")  # noqa: PTH115
    except OSError:
        return ""


@contextmanager
def spark_cluster(folder: Path, python: Path, workers: int = 2) -> Iterator[Cluster]:
    """A master and workers with room for two servers of SETTINGS; their Python is `python`, which knows nothing of
    Encore."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_", "PYTHON"))},
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_HOME": str(HOME),
        "SPARK_DAEMON_MEMORY": "512m",
        "SPARK_DAEMON_JAVA_OPTS": JAVA,
        "PYSPARK_PYTHON": str(python),
    }
    command = str(HOME / "bin" / "spark-class")
    port = free_port()
    master = [command, MASTER, "--host", "127.0.0.1", "--port", str(port), "--webui-port", str(free_port())]
    with ExitStack() as stack:
        stack.enter_context(process(master, folder / "master.log", port, env=environment))
        for number in range(workers):
            own, web = free_port(), folder / f"worker-{number}"
            words = [command, WORKER, "--host", "127.0.0.1", "--port", str(own), "--webui-port", str(free_port())]
            size = ["--cores", "2", "--memory", "2g", "--work-dir", str(web), f"spark://127.0.0.1:{port}"]
            stack.enter_context(process([*words, *size], folder / f"worker-{number}.log", own, env=environment))
        yield Cluster(f"spark://127.0.0.1:{port}", folder, environment)
