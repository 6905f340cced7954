"""Methods of similarity by name: weightings, applied from left to right, then a measure: `recency+bm25+cosine`."""

from dataclasses import dataclass
from typing import Self

# What an entry counts for; without one, the value itself. `shrunk` belongs to the measure and stands before it.
WEIGHTINGS = ("binary", "centred", "adjusted", "tf_idf", "bm25", "recency")
SHRUNK = "shrunk"
COSINE, JACCARD, LOG_LIKELIHOOD, CONTENT, HYBRID = "cosine", "jaccard", "log_likelihood", "content", "hybrid"
MEASURES = (COSINE, JACCARD, LOG_LIKELIHOOD, CONTENT, HYBRID)
SHRINKABLE = (COSINE, JACCARD)
UNWEIGHTED = (JACCARD, LOG_LIKELIHOOD, CONTENT)  # they compare sets, or words


@dataclass(frozen=True)
class Method:
    """How similarity is measured.

    cosine, jaccard and log_likelihood compare what items (or users) share in events; content what is known of them;
    hybrid is α · (the weightings' cosine) + (1 - α) · content.
    """

    weightings: tuple[str, ...]
    shrunk: bool
    measure: str

    @classmethod
    def parse(cls, name: str) -> Self:
        """The method of a name; ValueError that says what is wrong with it."""
        *words, measure = name.split("+")
        weightings = tuple(word for word in words if word != SHRUNK)
        if measure not in MEASURES:
            raise ValueError(f"method {name!r} must end in one of {', '.join(MEASURES)}")
        for word in weightings:
            if word not in WEIGHTINGS:
                raise ValueError(f"method {name!r}: there is no weighting {word!r}; there are: {', '.join(WEIGHTINGS)}")
        if len(set(words)) < len(words):
            raise ValueError(f"method {name!r} names a weighting twice")
        if SHRUNK in words and (words[-1] != SHRUNK or measure not in SHRINKABLE):
            raise ValueError(f"method {name!r}: {SHRUNK} stands right before {' or '.join(SHRINKABLE)}")
        if weightings and measure in UNWEIGHTED:
            raise ValueError(f"method {name!r}: {measure} takes no weighting")
        for word in ("centred", "adjusted"):
            if word in weightings and "bm25" in weightings[weightings.index(word) :]:
                raise ValueError(f"method {name!r}: bm25 takes no negative values, as {word} makes them")
        return cls(weightings, SHRUNK in words, measure)


def are_methods(names: tuple[str, ...]) -> bool:
    """Names of at least one method, none of them twice."""
    for name in names:
        Method.parse(name)
    return len(names) == len(set(names)) > 0
