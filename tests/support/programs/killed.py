"""A process that runs Encore's command line in children of its own, and lets one die by SIGKILL at a given step.

Lines of JSON come in, {"words": [...], "die": n or null, "steps": [...]}; the exit code of each
child goes out, -9 where it was killed.
A step is a change that others can see: a commit (the child dies when the new metadata file is written and the catalog
does not know it yet, so between the commit before and this one) or a file of the manifest (it dies before it), and
each call of a function of `steps`, "module:function" (it dies before it).
"""

import importlib
import json
import os
import signal
import sys

import pyiceberg.io.pyarrow  # noqa: F401
from pyiceberg.catalog.sql import SqlCatalog

import jobs.publish
import jobs.tables.rollback  # noqa: F401
from jobs import cli
from jobs.storage import files


class Steps:
    """Counts the steps and kills the process at step `last`."""

    def __init__(self, last):
        self.last = last
        self.step = 0

    def after(self, function):
        def watched(*args, **named):
            result = function(*args, **named)
            self.count()
            return result

        return watched

    def before(self, function):
        def watched(*args, **named):
            self.count()
            return function(*args, **named)

        return watched

    def count(self):
        self.step += 1
        if self.step == self.last:
            os.kill(os.getpid(), signal.SIGKILL)


def child(words, die, steps=()):
    """One command. What it prints goes to the standard error."""
    os.dup2(2, 1)
    if die:
        counter = Steps(die)
        SqlCatalog._write_metadata = staticmethod(counter.after(SqlCatalog._write_metadata))
        files.write_bytes = counter.before(files.write_bytes)
        for place in steps:
            module, _, name = place.partition(":")
            module = importlib.import_module(module)
            setattr(module, name, counter.before(getattr(module, name)))
    os._exit(cli.main(words))


for line in sys.stdin:
    command = json.loads(line)
    process = os.fork()
    if not process:
        child(command["words"], command["die"], command.get("steps", ()))
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
