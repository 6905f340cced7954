"""Errors of jobs that are no faults of the code, and the exit codes of all commands."""

from schemas.names import ExitCode

DONE, FAULT, WRONG_INPUT, REFUSED = map(int, ExitCode)


class InputError(Exception):
    """Input error: wrong usage or bad input; names the thing, the rule and the value, and says what to do. Not
    retryable."""

    exit_code = WRONG_INPUT


class RefusedError(Exception):
    """Refused by the quality or drift gate. Not a fault: what was measured is published all the same."""

    exit_code = REFUSED


class ContractError(Exception):
    """A table of the night breaks one of its own rules; nothing is published. Trying again breaks it again."""

    exit_code = WRONG_INPUT
