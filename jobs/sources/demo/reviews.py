"""Reviews whose words follow the rating: praise and blame, each said straight or by negating its opposite."""

import numpy as np

from jobs.sources.demo.catalogue import Catalogue
from jobs.sources.demo.draws import Floats, Ints
from jobs.sources.demo.world import World

_PRAISE = (
    "wonderful",
    "gripping",
    "clever",
    "charming",
    "brilliant",
    "moving",
    "polished",
    "memorable",
    "fresh",
    "rich",
)
_BLAME = ("dull", "clumsy", "tedious", "shallow", "forgettable", "messy", "lifeless", "predictable", "annoying", "flat")
_ASPECTS = {
    "movies": ("plot", "acting", "camera work", "ending", "dialogue", "pacing", "soundtrack", "lead"),
    "music": ("singing", "production", "bass", "opening", "chorus", "solo", "mix", "arrangement"),
    "games": ("combat", "tutorial", "story", "level design", "interface", "art", "pacing", "ending"),
}
_OPENINGS = ("", "to be honest, ", "on a second try, ", "as a {genre} fan I have to say: ", "my friends disagree, but ")
_STRAIGHT = ("the {} is {}", "the {} felt {}", "I found the {} {}", "the {} is really {}")
_NEGATED = ("the {} is not {}", "the {} was never {}", "I would not call the {} {}", "the {} is hardly {}")
_JOINTS = (", and ", "; ", ", while ", ", but then ", ", also ")
_MIN_CLAUSES, _MAX_CLAUSES = 3, 6  # clauses
_NEGATED_SHARE = 0.28


def rating(liking: Floats) -> Floats:
    """Stars 0.5 … 5 in halves, from a liking of about −2 … 2."""
    return np.asarray(np.clip(np.round(2.0 * (3.1 + 1.15 * liking)) / 2.0, 0.5, 5.0))


def praise_share(stars: Floats) -> Floats:
    """Probability that a clause praises: a logistic curve through ½ at 3 stars, .04 at 0.5 and .93 at 5."""
    return np.asarray(1.0 / (1.0 + np.exp(-1.3 * (stars - 3.0))))


def texts(world: World, items: Catalogue, user_keys: Ints, rows: Ints, stars: Floats) -> list[str]:
    """One text per review. A user reviews an item once, so the pair gives all draws."""
    draws, user, item = world.draws, user_keys[:, None], items.keys[rows][:, None]
    clause = np.arange(_MAX_CLAUSES)
    praises = draws.uniform("praises", user, item, clause) < praise_share(stars)[:, None]
    negated = draws.uniform("negated", user, item, clause) < _NEGATED_SHARE
    words = np.array([_BLAME, _PRAISE])[
        (praises != negated).astype(int), draws.below(10, "adjective", user, item, clause)
    ]
    frames = np.array([_STRAIGHT, _NEGATED])[negated.astype(int), draws.below(4, "phrase", user, item, clause)]
    aspects = np.array(_ASPECTS[world.domain])[draws.below(8, "aspect", user, item, clause)]
    joints = np.array(_JOINTS)[draws.below(5, "joint", user, item, clause)]
    openings = np.array(_OPENINGS)[draws.below(5, "opening", user, item)[:, 0]]
    counts = _MIN_CLAUSES + draws.below(_MAX_CLAUSES - _MIN_CLAUSES + 1, "clauses", user, item)[:, 0]
    genres = np.array([name.replace("_", " ") for name in world.genres])[items.genre[rows]]
    out = []
    for n, count in enumerate(counts.tolist()):
        text = openings[n].format(genre=genres[n])
        for c in range(count):
            text += (joints[n, c] if c else "") + frames[n, c].format(aspects[n, c], words[n, c])
        out.append(text[0].upper() + text[1:] + ".")
    return out
