"""Several training steps in one compiled call, over batches that a thread prepares beside the computing."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from queue import Empty, Full, Queue
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from keras import ops, tree

from models.layers.devices import on_jax

GROUP_BYTES = 256 << 20  # of batches that lie on the device at a time
CALL_SECONDS = 1.0  # of a call: so often a training can write a checkpoint or stop
WAIT_SECONDS = 0.1  # between two looks at whether the training has ended
Losses = npt.NDArray[np.float64]
Batches = Iterable[tuple[Any, int]]


class Group(NamedTuple):
    """Batches that lie on the device together: their numbers from `first` (from 1), their examples.

    batches: one nest of arrays [capacity, …], of which the first len(examples) are filled; or a list of single batches.
    """

    first: int
    examples: list[int]
    batches: Any


class Steps(keras.Model):
    """Training steps of `loss`, a model that takes a batch and adds its loss, as a loop in one compiled function.

    A loss that has `take_rows` and `put_rows` is given the batch by them, around each step (see SharedNegativesLoss).
    The state never leaves the device between two steps, and the losses come back together. How many of a group's
    batches are learned in a call is an argument: the program is the same for any number, and so are the weights.
    """

    def __init__(self, loss: keras.Model, optimizer: keras.Optimizer, jit: bool) -> None:
        super().__init__()
        self.loss = loss
        self.built = loss.built = True
        self.compile(optimizer=optimizer, loss=None, jit_compile=jit)

    def call(self, batch: Any, training: bool = False) -> Any:
        """The loss of a batch."""
        return self.loss(batch, training=training)

    def learn(self, batches: Any, rates: Sequence[float], first: int) -> Losses:
        """Learns batches `first`, `first` + 1, … of a group, one for each of the learning `rates`; their losses."""
        capacity = len(tree.flatten(batches)[0])
        last = first + len(rates)
        by_batch = np.zeros(capacity, np.float32)
        by_batch[first:last] = rates
        data = {"batches": batches, "rates": by_batch, "span": np.array([first, last], np.int32)}
        losses = self.train_on_batch(data, return_dict=True)["loss"]
        return np.atleast_1d(np.asarray(losses, np.float64))[first:last]

    def train_step(self, *args: Any) -> Any:
        """Called by Keras inside the compiled function: with the state and the data on JAX, else with the data."""
        return self._on_jax(*args) if on_jax() else self._with_variables(*args)

    def _with_variables(self, data: Any) -> dict[str, Any]:
        (group, *_) = keras.utils.unpack_x_y_sample_weight(data)

        def one(number: Any, losses: Any) -> Any:
            self.optimizer.learning_rate.assign(group["rates"][number])
            self.reset_metrics()
            logs = super(Steps, self).train_step((_pick(group["batches"], number),))
            return _put(losses, number, logs["loss"])

        span = group["span"]
        return {"loss": ops.fori_loop(span[0], span[1], one, ops.zeros_like(group["rates"]))}

    def _on_jax(self, state: Any, data: Any) -> tuple[dict[str, Any], Any]:
        (group, *_) = keras.utils.unpack_x_y_sample_weight(data)
        *variables, metrics = state
        takes_rows = hasattr(self.loss, "take_rows")
        rate = [variable is self.optimizer.learning_rate for variable in self.optimizer.variables].index(True)

        def one(number: Any, so_far: Any) -> Any:
            (trainable, others, of_optimizer), losses = so_far
            of_optimizer = [*of_optimizer]
            of_optimizer[rate] = group["rates"][number]
            zero = [ops.zeros_like(metric) for metric in metrics]
            batch, state = _pick(group["batches"], number), [trainable, others, of_optimizer]
            rest = batch
            if takes_rows:
                rest, state = self._stateless(lambda: self.loss.take_rows(batch), state)
            logs, (*state, _) = super(Steps, self).train_step((*state, zero), (rest,))
            if takes_rows:
                _, state = self._stateless(lambda: self.loss.put_rows(batch), state)
            return [list(part) for part in state], _put(losses, number, logs["loss"])

        start = ([list(part) for part in variables], ops.zeros_like(group["rates"]))
        span = group["span"]
        after, losses = ops.fori_loop(span[0], span[1], one, start)
        return {"loss": losses}, (*after, metrics)

    def _stateless(self, function: Callable[[], Any], state: list[Any]) -> tuple[Any, list[Any]]:
        """What a function that assigns variables returns, and their values afterwards, of given values before."""
        of = (self.trainable_variables, self.non_trainable_variables, self.optimizer.variables)
        values = [pair for part, some in zip(of, state, strict=True) for pair in zip(part, some, strict=True)]
        with keras.StatelessScope(state_mapping=values) as scope:
            result = function()
        return result, [[scope.get_current_value(variable) for variable in part] for part in of]


class HostSteps:
    """Training steps of a loss that does part of each in NumPy (`steps_on_host`), over a list of batches."""

    def __init__(self, loss: keras.Model) -> None:
        self.loss = loss

    def learn(self, batches: Any, rates: Sequence[float], first: int) -> Losses:
        """Learns batches, as `Steps.learn` does."""
        losses = np.empty(len(rates))
        for place, rate in enumerate(rates):
            self.loss.optimizer.learning_rate.assign(rate)
            self.loss.reset_metrics()
            losses[place] = self.loss.train_on_batch(batches[first + place], return_dict=True)["loss"]
        return losses


def _pick(batches: Any, number: Any) -> Any:
    return tree.map_structure(lambda array: ops.take(array, number, axis=0), batches)


def _put(losses: Any, number: Any, loss: Any) -> Any:
    return ops.slice_update(losses, (number,), ops.reshape(ops.cast(loss, losses.dtype), (1,)))


class Grouping:
    """Puts the batches of epochs of so many `examples` into groups of one capacity, which the first batch of all
    decides: groups of another shape would have the program compiled anew. stacked: whether a group is one nest of
    arrays."""

    def __init__(self, examples: int, stacked: bool = True) -> None:
        self.examples, self.stacked, self.capacity = examples, stacked, 0

    def groups(self, batches: Batches, skipped: int = 0) -> Iterator[Group]:
        """Those of an epoch, behind the first `skipped` batches."""
        some, first = [], skipped + 1
        for number, (batch, count) in enumerate(batches, 1):
            if not self.capacity:
                most = GROUP_BYTES // max(sum(array.nbytes for array in tree.flatten(batch)), 1)
                self.capacity = max(1, min(_round_up(self.examples / max(count, 1) * 1.05 + 1), most))
            if number <= skipped:
                continue
            some.append((batch, count))
            if len(some) == self.capacity:
                yield _group(first, some, self.capacity, self.stacked)
                some, first = [], number + 1
        if some:
            yield _group(first, some, self.capacity, self.stacked)


def _round_up(number: float) -> int:
    """Up to two significant binary digits behind the first: a program compiled for a group often fits tomorrow's."""
    step = 1 << max(0, int(number).bit_length() - 3)
    return int(-(-number // step)) * step


def _group(first: int, some: list[tuple[Any, int]], capacity: int, stacked: bool) -> Group:
    batches: Any = [batch for batch, _ in some]
    if stacked:

        def stack(*arrays: npt.NDArray[Any]) -> npt.NDArray[Any]:
            whole = np.zeros((capacity, *arrays[0].shape), arrays[0].dtype)
            whole[: len(arrays)] = arrays
            return whole

        batches = tree.map_structure(stack, *batches)
    return Group(first, [count for _, count in some], batches)


def on_device(batches: Any) -> Any:
    """The arrays of a group on the device, where several calls take them from."""
    return tree.map_structure(ops.convert_to_tensor, batches)


class Ahead:
    """The groups of the coming epochs, each (epoch, group), (epoch, None) behind an epoch's last, made in a thread.

    `groups_of` gives those of an epoch. Two are ready beside the one in use. `close` ends the thread.
    """

    def __init__(self, groups_of: Callable[[int], Iterator[Group]], epochs: range) -> None:
        self.queue: Queue[tuple[int, Group | None] | BaseException] = Queue(1)
        self.closed = threading.Event()
        self.thread = threading.Thread(target=self._fill, args=(groups_of, epochs), daemon=True)
        self.thread.start()

    def _fill(self, groups_of: Callable[[int], Iterator[Group]], epochs: range) -> None:
        try:
            for epoch in epochs:
                for group in groups_of(epoch):
                    if not self._put((epoch, group)):
                        return
                self._put((epoch, None))
        except BaseException as error:  # for the one that waits
            self._put(error)

    def _put(self, item: tuple[int, Group | None] | BaseException) -> bool:
        """False when nobody wants it any more."""
        while not self.closed.is_set():
            try:
                self.queue.put(item, timeout=WAIT_SECONDS)
            except Full:
                continue
            return True
        return False

    def epoch(self, epoch: int) -> Iterator[Group]:
        """The groups of the next epoch, which is this one."""
        while True:
            item = self.queue.get()
            if isinstance(item, BaseException):
                raise item
            number, group = item
            assert number == epoch, f"expected epoch {epoch}, got {number}"
            if group is None:
                return
            yield group

    def close(self) -> None:
        """Ends the thread."""
        self.closed.set()
        while True:
            try:
                self.queue.get_nowait()
            except Empty:
                break
        self.thread.join()


class Pace:
    """Chooses how many steps a call takes: what CALL_SECONDS hold, by the seconds of the calls so far but the first, in
    which the program is compiled."""

    def __init__(self) -> None:
        self.calls, self.steps = 0, 1

    def record_time(self, steps: int, seconds: float) -> None:
        """A call of so many steps took so many seconds."""
        self.calls += 1
        if self.calls > 1:
            self.steps = max(1, min(8 * steps, int(CALL_SECONDS * steps / max(seconds, 1e-9))))
