"""What commands print: text that any stream takes and no terminal obeys, and the quiet end of `… | head -1`."""

import json
import logging
import os
import re
import select
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any, TextIO

ESCAPED = "backslashreplace"
CUT = 128 + 13  # the exit code of a program whose reader is gone (SIGPIPE), as shells have it
# What a terminal obeys and does not show, but for tabs and line ends: codes of ASCII and ISO 8859, and what turns the
# direction of all the text that follows.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    r"""The text with control codes as escapes (`\x1b`), which no terminal obeys; tabs and line ends stay."""
    return CONTROL.sub(lambda code: code[0].encode("unicode_escape").decode(), text)


def in_one_line(text: str) -> str:
    r"""The text with line ends as escapes too (`\n`), for a name within a message."""
    return visible(text.replace("\n", "\\n"))


def shorten(line: str, most: int = 2000) -> str:
    """A line by its two ends where it has more than `most` characters: somebody's value may be of any length."""
    return line if len(line) <= most else f"{line[: most // 2]} … {line[-most // 3 :]}"


def say(*lines: str, stream: TextIO | None = None) -> None:
    """Prints lines at once."""
    for line in lines:
        print(visible(line), file=stream or sys.stdout, flush=True)


def complain(*lines: str) -> None:
    """Prints lines on standard error."""
    say(*lines, stream=sys.stderr)


def show_error() -> None:
    """Prints the error that is being handled, with where it came from."""
    complain(traceback.format_exc().rstrip())


class LogLines(logging.Formatter):
    """Lines of the log without control codes."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        return visible(super().format(record))


def show_json(value: Any) -> None:
    """Prints JSON that people can read too."""
    print(json_text(value, indent=1))


def json_text(value: Any, indent: int | None = None) -> str:
    r"""JSON with letters of all languages as they are and control codes as escapes (`\u009b`)."""
    text = json.dumps(value, default=str, ensure_ascii=False, indent=indent)
    return CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def prepare() -> None:
    """Has standard output and error take any text: escapes stand for what their encoding lacks.

    Once in a process and its forks: what was a file may be a pipe by then, in which no stream can seek.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 (as long as the process)
        elif isinstance(stream, TextIOWrapper) and stream.errors != ESCAPED:
            stream.reconfigure(errors=ESCAPED)


def is_cut() -> bool:
    """Whether nobody reads standard output or error any more, as after `… | head -1`."""
    poll = select.poll()
    for descriptor in (1, 2):
        poll.register(descriptor, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


@contextmanager
def without_native_log() -> Iterator[None]:
    """Drops what is written to standard error past Python meanwhile. TensorFlow says at its import, whatever its
    settings, what it finds of the machine, which is no answer to who has asked for something else."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def drop() -> None:
    """Lets what is still to be printed go nowhere, so that the process can end in peace."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
