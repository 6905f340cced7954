"""A process that runs Encore's command line in children of its own, and lets one die by SIGKILL at a given step.

Lines of JSON come in, {"words": [...], "die": n or null}; the exit code of each child goes out, -9 where it was killed.
Step 2n-1 is before the n-th commit or file that the child makes visible, step 2n is just behind it.
"""

import json
import os
import signal
import sys

from pyiceberg.catalog.sql import SqlCatalog

from jobs import cli, publish, rollback, tables  # noqa: F401 (imported once, before the children are made)
from jobs.storage import files


class Steps:
    """Counts what becomes visible to others and kills the process at step `last`."""

    def __init__(self, last):
        self.last = last
        self.step = 0

    def __call__(self, function):
        def watched(*args):
            self.next()
            result = function(*args)
            self.next()
            return result

        return watched

    def next(self):
        self.step += 1
        if self.step == self.last:
            os.kill(os.getpid(), signal.SIGKILL)


def child(words, die):
    """One command, its output to /dev/null."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    if die:
        watch = Steps(die)
        SqlCatalog.commit_table = watch(SqlCatalog.commit_table)
        files.write_bytes = watch(files.write_bytes)
    os._exit(cli.main(words))


for line in sys.stdin:
    command = json.loads(line)
    process = os.fork()
    if not process:
        child(command["words"], command["die"])
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
