"""Whether what a container runs is well: ends with 0, or with 1 and a line that says what is wrong.

By the command lines of its processes: Airflow's API server and scheduler answer over HTTP, its DAG processor and Celery
worker through their own commands, Spark's parts and the servers of the image `services` by accepting a connection. A
script that has not begun its server yet is not well. Anything else is well as long as it runs.
"""

import re
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

SECONDS = 25
LISTEN = "0A"  # a socket's state in /proc/net/tcp
# A script that begins a server, which then takes its place.
STARTING = re.compile(r"^\S*bash \S*images/(?:airflow|database|spark)\.sh\b.*$", re.MULTILINE)
CELERY = "airflow.providers.celery.executors.celery_executor.app"
HTTP = {
    r"airflow api.server": "http://127.0.0.1:8080/api/v2/version",
    r"airflow scheduler": "http://127.0.0.1:8974/health",
}
COMMANDS = {
    r"airflow dag.processor": ["airflow", "jobs", "check", "--job-type", "DagProcessorJob", "--local"],
    r"celery worker": ["celery", "--app", CELERY, "inspect", "ping", "--destination", f"celery@{socket.gethostname()}"],
}
PORTS = {
    r"spark\.deploy\.master\.Master": 7077,
    r"spark\.deploy\.worker\.Worker": 8081,
    r"SparkConnectServer": 15002,
    r"moto_server": 5000,
    r"postgres -c": 5432,
    r"redis-server": 6379,
    r"prometheus --": 9090,
    r"http\.server 9100": 9100,
}


def running() -> str:
    """The command lines of all processes but this one's, one a line."""
    mine = {str(Path("/proc/self").resolve().name)}
    lines = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and process.name not in mine:
            try:
                lines.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:  # it has ended meanwhile
                continue
    return "\n".join(lines)


def listening(port: int) -> str:
    """The address that a server listens at. Raises OSError where none does."""
    for family, table in ((socket.AF_INET, Path("/proc/net/tcp")), (socket.AF_INET6, Path("/proc/net/tcp6"))):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            words = line.split()
            address, _, number = words[1].partition(":")
            if words[3] == LISTEN and int(number, 16) == port:
                parts = [int(address[at : at + 8], 16) for at in range(0, len(address), 8)]
                return socket.inet_ntop(family, b"".join(part.to_bytes(4, sys.byteorder) for part in parts))
    raise OSError(f"nothing listens on port {port}")


def check(lines: str) -> None:
    """Raises OSError or SubprocessError where a process of these command lines is not well."""
    if script := STARTING.search(lines):
        raise OSError(f"{script[0].strip()}: still starts")
    for part, url in HTTP.items():
        if re.search(part, lines):
            urllib.request.urlopen(url, timeout=SECONDS).close()  # noqa: S310 - the addresses above
    for part, words in COMMANDS.items():
        if re.search(part, lines):
            subprocess.run(words, check=True, timeout=SECONDS, capture_output=True)
    for part, port in PORTS.items():
        if re.search(part, lines):
            socket.create_connection((listening(port), port), timeout=SECONDS).close()


if __name__ == "__main__":
    try:
        check(running())
    except (OSError, subprocess.SubprocessError) as error:
        print(error)
        sys.exit(1)
