"""Progress of an epoch: loss, speed and time left, for the log and for TensorBoard."""

import logging
import time

LINE_SECONDS = 30.0  # between lines within an epoch
log = logging.getLogger(__name__)


class Progress:
    """Counts an epoch's examples and seconds, and says now and then how it goes.

    head: what is trained. examples: in an epoch. epochs: that are left at most, this one included. done, total: how
    many examples are learned already, and the sum of their losses.
    """

    def __init__(self, head: str, examples: int, epochs: int, done: int = 0, total: float = 0.0) -> None:
        self.head, self.examples, self.epochs = head, examples, epochs
        self.started = self.reported = self.begun = self.ended = time.perf_counter()
        self.waited, self.before, self.done, self.total = 0.0, done, done, total

    def begin(self) -> None:
        """Notes that the next batches have been prepared."""
        self.begun = time.perf_counter()
        self.waited += self.begun - self.ended

    def end(self, examples: int, total: float) -> None:
        """Notes that batches were learned, with this sum of the examples' losses."""
        self.done, self.total, self.ended = self.done + examples, self.total + total, time.perf_counter()
        if self.ended - self.reported >= LINE_SECONDS:
            self.reported = self.ended
            log.info("%s", self.line())

    @property
    def rate(self) -> float:
        """Throughput, in examples a second."""
        return (self.done - self.before) / max(self.ended - self.started, 1e-9)

    @property
    def loss(self) -> float:
        """Mean loss of the examples so far."""
        return self.total / max(self.done, 1)

    def line(self) -> str:
        """Loss, speed and time left, as after the last batch."""
        seconds = self.ended - self.started
        left = (self.examples * self.epochs - self.done) / max(self.rate, 1e-9)
        waiting = 100 * self.waited / max(seconds, 1e-9)
        return (
            f"{self.head}: loss {self.loss:.4f}, {100 * self.done / self.examples:.0f} % in {seconds:.1f} s, "
            f"{self.rate:.0f} events/s, {waiting:.1f} % of it waiting for data, at most {left:.0f} s left"
        )
