"""EASE: the best linear map from a user's history to items, in closed form (Steck 2019; in order, Choi et al. 2021)."""

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Self

import numba
import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.sparse as sp
from annotated_types import Ge, Gt, Interval, Unit, doc

from models.base import Recommender, Scores, TrainingData
from models.classic.knn import run_in_stripes
from models.config import Config
from models.data import UnlearnableError
from models.evaluation.validation import mean_ndcg, sample_users
from models.histories import Histories, IntArray

RIDGES = (1000.0, 300.0, 100.0, 30.0, 10.0, 3.0, 1.0)  # tried on validation in this order, until one is worse
RIDGE = 300.0  # where there is no validation
Floats = npt.NDArray[np.float64]
Moments = tuple[Scores, Scores | None]  # of the normal equations: the left side without λ, the right side


@dataclass(frozen=True)
class EaseConfig(Config):
    """Settings of EASE; those of the order are not used where histories have none."""

    model: ClassVar[str] = "ease"
    ridge: Annotated[float | None, Gt(0.0), doc("λ of the ridge regression; none: chosen on validation")] = None
    next_item: Annotated[
        bool, doc("learn what comes next; false: what stands in the same history, whatever the order")
    ] = True
    half: Annotated[float, Gt(0.0), Unit("events"), doc("so many events back one counts half")] = 2.0
    window: Annotated[int, Interval(ge=1, le=1000), Unit("events"), doc("so many events back count at all")] = 50
    ahead: Annotated[
        float,
        Interval(ge=0.0, lt=1.0),
        doc("weight of the event after the next as a target, relative to the next; its square for the one after, …"),
    ] = 0.3
    min_events: Annotated[
        int,
        Ge(1),
        Unit("events"),
        doc("items with fewer training events are left out"),
    ] = 5
    max_items: Annotated[
        int,
        Interval(ge=1, le=40_000),
        Unit("items"),
        doc("fitting is refused above: memory grows with the square of the items, time with the cube"),
    ] = 10_000


class Ease(Recommender):
    """score(u, ·) = h_u B, where h_ui sums f(p) = 1 / (1 + p / h) over the user's last L events of i, newest p = 0.

    In order, B = argmin Σ_t ‖h_t B - y_t‖² + λ ‖B‖² = (HᵀH + λI)⁻¹ HᵀY over all training events t: h_t is the history
    before t, y_t = Σ_a ahead^a e_(item of event t + a), a >= 0, ahead within the window. This is SLIT of Choi et al.
    2021 with hyperbolic weights. Without order, B minimises ‖X - XB‖² + λ ‖B‖² with diag B = 0 for binary histories X:
    B = I - P / diag P by columns, P = (XᵀX + λI)⁻¹ (Steck 2019).

    No evidence for items with fewer than `min_events`, and for users without such an item within the window. Memory:
    24 bytes for each of n² pairs while fitting n items (2.2 GiB for 10,000), then 4. Sums are float64; the equations
    are solved in float32, in half the time: on MovieLens-1M their condition is 370 for λ = 100, and B is the same to
    5e-7 of its largest weight.
    """

    name: ClassVar[str] = "ease"
    Config: ClassVar[type] = EaseConfig

    weights: Scores
    kept: IntArray
    n_items: int

    def fit(self, data: TrainingData) -> Self:
        """Chooses λ where it is None, and solves. Raises UnlearnableError for more items than `max_items`."""
        self.kept = frequent_items(data.histories, self.config.min_events)
        if len(self.kept) > self.config.max_items:
            raise UnlearnableError(
                f"ease.max_items = {self.config.max_items}, but {len(self.kept)} items have {self.config.min_events} "
                f"training events or more, which would take {24 * len(self.kept) ** 2 / 2**30:.1f} GiB: raise "
                "ease.max_items or ease.min_events, or leave the model out"
            )
        self.n_items = data.histories.n_items
        ordered = data.histories.ordered and self.config.next_item
        moments = self._in_order(data.histories) if ordered else self._together(data.histories)
        validation = sample_users(data.validation, data.seed)
        if self.config.ridge is not None or validation is None:
            return self._solve(moments, self.config.ridge or RIDGE)
        best, most = self.config, -1.0
        for ridge in RIDGES:
            value = mean_ndcg(self._solve(moments, ridge), validation)
            if value <= most:
                break
            best, most, weights = self.config, value, self.weights
        self.config, self.weights = best, weights
        return self

    def _in_order(self, histories: Histories) -> Moments:
        """HᵀH and HᵀY."""
        lags = np.arange(self.config.window)
        f = 1 / (1 + lags / self.config.half)
        targets = np.convolve(f, self.config.ahead**lags)[: len(f)]
        place = np.full(histories.n_items, -1, np.int64)
        place[self.kept] = np.arange(len(self.kept))
        n = len(self.kept)
        gram, cross = np.zeros((n, n)), np.zeros((n, n))
        add_pairs(histories.indptr, place[histories.items], pair_weights(f), targets, gram, cross)
        return (gram + gram.T).astype(np.float32), cross.astype(np.float32)

    def _together(self, histories: Histories) -> Moments:
        """XᵀX."""
        x = histories.matrix()[:, self.kept]
        return (x.T @ x).toarray().astype(np.float32), None

    def _solve(self, moments: Moments, ridge: float) -> Self:
        self.config = replace(self.config, ridge=ridge)
        gram, cross = moments
        regular = gram.copy()
        regular.flat[:: len(gram) + 1] += ridge
        # LAPACK works by columns: the transposed view of a symmetric array spares a copy.
        factor = scipy.linalg.cho_factor(regular.T, overwrite_a=True, check_finite=False)
        right = np.eye(len(gram), dtype=np.float32) if cross is None else cross
        solved = scipy.linalg.cho_solve(factor, right, check_finite=False)
        if cross is None:
            solved = -solved / np.diag(solved)
            np.fill_diagonal(solved, 0)
        self.weights = np.ascontiguousarray(solved, np.float32)
        return self

    def _history(self, histories: Histories) -> sp.csr_array:
        """float32 [n_users, n]: h_u over the items that were learned."""
        if histories.n_items != self.n_items:
            raise ValueError(f"ease learned {self.n_items} items, the histories have {histories.n_items}")
        back = histories.position_from_end()
        f = np.where(back < self.config.window, 1 / (1 + back / self.config.half), 0).astype(np.float32)
        rows = sp.csr_array(histories.matrix(f)[:, self.kept])
        rows.eliminate_zeros()
        rows.sort_indices()
        return rows

    def score(self, histories: Histories) -> Scores:
        """A product of few rows of B for each user."""
        h = self._history(histories)
        scores = np.full((histories.n_users, self.n_items), -np.inf, np.float32)
        known = np.diff(h.indptr) > 0

        def some(low: int, high: int) -> None:
            users = low + np.flatnonzero(known[low:high])
            scores[np.ix_(users, self.kept)] = h[users] @ self.weights

        run_in_stripes(some, histories.n_users)
        return scores

    def explain(self, histories: Histories, items: IntArray) -> IntArray:
        """The history item j with the largest h_uj · B_ji, of equals the more frequent; -1 where none is above 0."""
        if items.max(initial=-1) >= self.n_items:
            raise ValueError(f"ease learned {self.n_items} items, got the item row {items.max()}")
        h = self._history(histories)
        place = np.full(self.n_items + 1, -1, np.int64)
        place[self.kept] = np.arange(len(self.kept))
        terms = largest_terms(h.indptr, h.indices, h.data, self.weights, place[items])
        return np.where(terms >= 0, self.kept[terms], -1) if len(self.kept) else terms

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """weights: B, float32 [n, n]; kept: int64 [n], the items' rows, frequent ones first."""
        return {"weights": self.weights, "kept": self.kept, "n_items": np.array(self.n_items)}

    def restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Takes B back."""
        self.weights, self.kept, self.n_items = arrays["weights"], arrays["kept"], int(arrays["n_items"])


def frequent_items(histories: Histories, least: int) -> IntArray:
    """int64: rows of the items with at least that many events, most frequent first: what is used together lies near."""
    counts = np.bincount(histories.items, minlength=histories.n_items)
    order = np.argsort(-counts, kind="stable")
    return order[counts[order] >= least].astype(np.int64)


def pair_weights(f: Floats) -> Floats:
    """float64 [L, L + 1]: c[d, r] = Σ over s < min(r, L - d) of f(s) f(s + d).

    It is what two events d apart add to HᵀH when r events follow the later one: they stand s and s + d back then.
    """
    length = len(f)
    weights = np.zeros((length, length + 1))
    for d in range(length):
        sums = np.cumsum(f[: length - d] * f[d:])
        weights[d, 1 : len(sums) + 1] = sums
        weights[d, len(sums) + 1 :] = sums[-1]
    return weights


@numba.njit(cache=True, nogil=True)
def add_pairs(indptr, items, pairs, targets, gram, cross):  # type: ignore[no-untyped-def]
    """Adds HᵀY to `cross` and HᵀH to gram + gramᵀ, from each two events within the window; items of -1 are left out."""
    window = len(targets)
    for u in range(len(indptr) - 1):
        for t in range(indptr[u], indptr[u + 1]):
            if items[t] < 0:
                continue
            following = min(indptr[u + 1] - 1 - t, window)
            gram[items[t], items[t]] += pairs[0, following] / 2
            for p in range(max(indptr[u], t - window), t):
                if items[p] < 0:
                    continue
                d = t - p
                if d < window:
                    gram[items[p], items[t]] += pairs[d, following]
                cross[items[p], items[t]] += targets[d - 1]


@numba.njit(cache=True, nogil=True)
def largest_terms(h_indptr, h_items, h, weights, items):  # type: ignore[no-untyped-def]
    """int64 [n, k]: for each of a user's `items` (-1 for none), the history item j with the largest h_uj · B_ji > 0."""
    reasons = np.full(items.shape, -1, np.int64)
    for u in range(len(items)):
        for p in range(items.shape[1]):
            largest = np.float32(0)
            if items[u, p] < 0:
                continue
            for e in range(h_indptr[u], h_indptr[u + 1]):
                term = h[e] * weights[h_items[e], items[u, p]]
                if term > largest:
                    largest, reasons[u, p] = term, h_items[e]
    return reasons
