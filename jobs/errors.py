"""The ends of a job that are not faults, and the exit codes that tell them apart."""

DONE, FAULT, WRONG_INPUT, REFUSED = 0, 1, 2, 3


class InputError(Exception):
    """Wrong usage or bad input: names the thing, the rule and the value, and says what to do. Trying again is vain."""

    exit_code = WRONG_INPUT


class RefusedError(Exception):
    """The quality or drift gate said no. Not a fault: what was measured is published all the same."""

    exit_code = REFUSED


class ContractError(Exception):
    """A table of the night breaks one of its own rules; nothing is published. Trying again breaks it again."""

    exit_code = WRONG_INPUT
