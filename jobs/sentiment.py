"""Sentiment score of each review that has none, by a model that learned from the reviews with stars.

Stars are shares of the domain's scale, which is the least of SCALES that no rating exceeds. A review with at least .7
of it is positive, with at most .4 negative (7 and 4 of 10: Maas et al. 2011), in between it teaches nothing. The task
writes tonight's `reviews` anew, in place of what `clean` wrote. What a model has said, in an earlier run of the night
(`modelled`), is said anew.
"""

import argparse
import logging
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from jobs.backend import require_gpu
from jobs.learning.artifacts import fingerprint
from jobs.night import Attempt, Night
from jobs.settings import override
from jobs.storage.files import upload
from jobs.storage.frames import read, write
from schemas.names import SENTIMENT
from schemas.tables import TABLES

if TYPE_CHECKING:
    from models.neural.review_sentiment import ReviewSentiment

SCALES = (1.0, 5.0, 10.0, 100.0)
POSITIVE, NEGATIVE = 0.7, 0.4
MIN_REVIEWS = 200  # reviews of each kind, with fewer the model would know little
log = logging.getLogger(__name__)


def compute(night: Night, attempt: Attempt, args: argparse.Namespace) -> None:
    """Reads all reviews up to the night, trains, writes tonight's."""
    schema = TABLES["reviews"].schema
    tonight = without_model(read(night.run.entry("clean").files.get("reviews", []), schema))
    every = pa.concat_tables([read(night.history("reviews"), schema), tonight])
    positive, known = labels(every["rating"])
    attempt.facts |= {"replaces": {"reviews": "clean"}}
    silent = pc.is_null(tonight["sentiment"])
    if min((known & positive).sum(), (known & ~positive).sum()) < MIN_REVIEWS:
        log.info("under %d positive or negative reviews with stars: no sentiment is filled in", MIN_REVIEWS)
    elif pc.any(silent).as_py():
        require_gpu(night.settings, args.require_gpu)
        from models.neural.review_sentiment import ReviewSentiment, ReviewSentimentConfig  # imports Keras

        settings = override(ReviewSentimentConfig(), night.model_settings(SENTIMENT), f"models.{SENTIMENT}")
        model = ReviewSentiment(settings)
        rows = np.flatnonzero(known)[-settings.reviews :]
        model.fit(every["text"].take(pa.array(rows)).to_pylist(), positive[rows], night.seed)
        tonight = fill(tonight, model)
        with tempfile.TemporaryDirectory() as folder:
            model.save(Path(folder))
            attempt.facts |= {"checksum": fingerprint(Path(folder))}
            upload(folder, attempt.folder("artifact"))
        attempt.facts |= {"artifact": attempt.folder("artifact"), "config": asdict(model.config), **model.quality}
    write(tonight, attempt.folder("reviews"))


def labels(ratings: pa.ChunkedArray) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """By review: whether it is positive, and whether the stars say so or the contrary."""
    stars = ratings.to_numpy(zero_copy_only=False).astype(np.float64)  # null is NaN
    top = np.nanmax(stars, initial=0.0)
    share = stars / next((scale for scale in SCALES if top <= scale), top)
    return share >= POSITIVE, (share >= POSITIVE) | (share <= NEGATIVE)


def without_model(reviews: pa.Table) -> pa.Table:
    """Returns `reviews` with the sentiment of the sources alone, without that of a model."""
    modelled = pc.fill_null(reviews["modelled"], False)
    stated = pc.if_else(modelled, None, reviews["sentiment"])
    return _with(reviews, sentiment=stated, modelled=pc.if_else(stated.is_valid(), False, None))


def fill(reviews: pa.Table, model: "ReviewSentiment") -> pa.Table:
    """Fills in and marks the model's sentiment of each review that has none; null stays where a text has no words."""
    silent = pc.is_null(reviews["sentiment"])
    scores = np.full(reviews.num_rows, np.nan)
    scores[silent.to_numpy()] = model.predict(reviews["text"].filter(silent).to_pylist())
    sentiment = pc.coalesce(reviews["sentiment"], pa.array(scores, mask=np.isnan(scores)))
    modelled = pc.if_else(sentiment.is_valid(), silent, None)
    log.info("the sentiment of %d of %d reviews is the model's", pc.sum(modelled).as_py(), reviews.num_rows)
    return _with(reviews, sentiment=sentiment, modelled=modelled)


def _with(reviews: pa.Table, **columns: pa.ChunkedArray) -> pa.Table:
    """`reviews` with other columns in place of some."""
    for name, column in columns.items():
        at = reviews.schema.get_field_index(name)
        reviews = reviews.set_column(at, reviews.schema.field(at), column)
    return reviews
