"""The command line: `encore <command>`. A command's module is imported only when it is called."""

import argparse
import importlib
import io
import logging
import os
import re
import resource
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr

from jobs import forkserver, output
from jobs.commands import COMMANDS, INTERACTIVE, JOBS, PSEUDONYM_KEY, Command, Job
from jobs.errors import DONE, FAULT, WRONG_INPUT, ContractError, InputError, RefusedError, UnavailableError
from jobs.version import code_version


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0 done, 1 a fault, 2 wrong input, 3 refused by the gate.

    Ends quietly where nobody reads what it prints any more, with the exit code of programs that SIGPIPE ends.
    """
    output.prepare()
    try:
        try:
            if argv is None and (problem := protect()):  # a process of its own
                output.complain(f"error: {problem}")
                return WRONG_INPUT
            return call(list(sys.argv[1:] if argv is None else argv))
        finally:
            sys.stdout.flush()  # while it can still be told apart what went wrong
    except BrokenPipeError:
        if not output.is_cut():
            raise
        output.drop()
        return output.CUT


def call(argv: list[str]) -> int:
    """Runs one command; errors become a line and an exit code."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        output.say(overview())
        return DONE
    if argv[0] in ("-V", "--version", "version"):
        output.say(f"encore {code_version()}")
        return DONE
    command = COMMANDS.get(argv[0])
    if command is None:
        output.complain(f"error: encore has no command {argv[0]!r}; `encore --help` lists them")
        return WRONG_INPUT
    if isinstance(command, Job) or not command.pseudonym_key:
        os.environ.pop(PSEUDONYM_KEY, None)
    if isinstance(command, Job) and (code := forkserver.delegate(argv)) is not None:
        return code
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(output.LogLines("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("pyiceberg").setLevel(logging.WARNING)
    try:
        args = parse(parser(command), argv[1:])  # asks ENCORE_DOMAINS which domains there are
        return run(command, args)
    except (InputError, RefusedError, ContractError, UnavailableError) as error:
        output.complain(output.shorten(f"error: {error}"))
        return error.exit_code
    except KeyboardInterrupt:
        output.complain("error: interrupted")
        return 130
    except Exception as error:
        if isinstance(error, BrokenPipeError) and output.is_cut():
            raise
        output.show_error()
        output.complain(f"error: {command.name}: {type(error).__name__}: {error}")
        return FAULT


def protect() -> str | None:
    """Keeps what this process and those that it starts write from others: files are their owner's alone (ENCORE_UMASK
    says else), and there are no core dumps, which would have keys. Returns what is wrong with ENCORE_UMASK.

    A limit of 1 byte also stops those that the kernel hands to a program, which a limit of 0 does not (core(5)).
    """
    text = os.environ.get("ENCORE_UMASK") or "077"
    if not re.fullmatch("0?[0-7]{3}", text):
        return f"ENCORE_UMASK={text}: must be three octal digits, as 077 or 027"
    os.umask(int(text, 8))
    limits = resource.getrlimit(resource.RLIMIT_CORE)
    soft, hard = (1 if limit == resource.RLIM_INFINITY else min(limit, 1) for limit in limits)
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    return None


def parser(command: Command | Job) -> argparse.ArgumentParser:
    """The arguments of a command."""
    module = importlib.import_module(command.module)
    if isinstance(command, Job):
        from jobs import job  # what jobs need takes a while to import, which a command that is delegated does without

        return job.parser(command, module.__doc__)
    made: argparse.ArgumentParser = module.parser()
    return made


def run(command: Command | Job, args: argparse.Namespace) -> int:
    """Runs a command in this process; returns its exit code."""
    module = importlib.import_module(command.module)
    if isinstance(command, Job):
        from jobs import job, settings
        from jobs.spark import server as spark_server

        config = settings.load()
        server = spark_server.pid_of(config, args.run) if command.spark else None
        log = str(spark_server.log_of(config, args.run))
        return job.run(command.task_of(vars(args)), module.compute, args, server, log)
    return int(module.main(args) or DONE)


def parse(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    """Parses arguments; what argparse complains of is shown without control codes, long lines by their ends."""
    complaint = io.StringIO()
    try:
        with redirect_stderr(complaint):
            return parser.parse_args(words)
    finally:
        for line in complaint.getvalue().splitlines():
            output.complain(output.shorten(line))


def overview() -> str:
    """The text of `encore --help`."""
    width = max(map(len, COMMANDS))
    interactive, jobs = ([f"  {one.name:<{width}}  {one.help}" for one in some] for some in (INTERACTIVE, JOBS))
    return "\n".join(
        [
            "Encore computes, every night, what to recommend to each user.",
            "",
            "usage: encore <command> [options]        encore <command> --help explains one",
            "",
            "First night on MovieLens files (latest-small, 25M, 32M):",
            "  encore import movielens ~/ml-latest-small --domain movies --ds 2018-09-24",
            "  encore nightly --domain movies --ds 2018-09-24",
            '  encore tables sql "SELECT * FROM latest.recommendations LIMIT 5"',
            "",
            "Interactive commands:",
            *interactive,
            "",
            "Jobs of a night, in order, as the DAG calls them (--domain, --ds, --run):",
            *jobs,
            "",
            "Exit codes: 0 done · 1 a fault, try again · 2 wrong usage or input, mend it · 3 refused by the gate",
            "Environment: ENCORE_WAREHOUSE, ENCORE_LANDING, ENCORE_CONFIG (TOML), ENCORE_DOMAINS, … (docs/settings.md)",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
