"""Settings that several networks have; each network's own stand beside it."""

from typing import Annotated

from annotated_types import Interval, Unit, doc

Dim = Annotated[int, Interval(ge=1, le=4096), Unit("numbers"), doc("width of the embeddings")]
Units = Annotated[int, Interval(ge=1, le=8192), Unit("numbers"), doc("width of the recurrent state")]
Length = Annotated[int, Interval(ge=1, le=10_000), Unit("events"), doc("how many of a user's newest events are read")]
DropoutShare = Annotated[float, Interval(ge=0.0, le=0.9), doc("share of activations dropped in training")]
BatchRows = Annotated[int, Interval(ge=1, le=100_000), Unit("rows"), doc("most rows of `length` events in a step")]
Epochs = Annotated[int, Interval(ge=1, le=10_000), Unit("epochs"), doc("most passes over the training data")]
Patience = Annotated[
    int,
    Interval(ge=1, le=10_000),
    Unit("epochs"),
    doc("training ends after so many without better NDCG@10"),
]
LearningRate = Annotated[float, Interval(ge=1e-7, le=1.0), doc("step size of Adam")]
