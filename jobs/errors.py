"""Errors of jobs that are no faults of the code, and the exit codes of all commands."""

from schemas.names import ExitCode

DONE, FAULT, WRONG_INPUT, REFUSED = map(int, ExitCode)
UNAVAILABLE = "StatusCode.UNAVAILABLE"  # gRPC's, once a client has asked often enough


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


class UnavailableError(Exception):
    """Unavailable: a service does not answer. A fault, which is tried again; its line says all, without a traceback."""

    exit_code = FAULT

    def __init__(self, text: str, cause: Exception) -> None:
        """`cause`: what the client of the service raised."""
        super().__init__(text)
        self.cause = cause


def name_lost_server(error: Exception, remote: str | None, log: str) -> Exception:
    """Turns what gRPC says of a Spark Connect server that is gone into a ConnectionError that names it.

    Any other error is returned as it is. remote: SPARK_REMOTE; without it the server is the run's own, which
    has written `log`.
    """
    if UNAVAILABLE not in str(error) or not type(error).__module__.startswith(("pyspark.", "grpc.")):
        return error
    details = next((line.strip() for line in str(error).splitlines() if "details" in line), UNAVAILABLE)
    server = (
        f"SPARK_REMOTE={without_token(remote)}"
        if remote
        else f"the Spark server of this run has ended; the end of {log} says why"
    )
    return ConnectionError(f"{server}: {details[:300]}")


def without_token(remote: str) -> str:
    """Spark Connect's address without what follows it: a token may stand there."""
    return remote.partition("/;")[0]
