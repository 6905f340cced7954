"""IMDb reviews (Maas et al. 2011) as JSON Lines: split, label, rating, imdb_id, text.

A review's id is its split and its line, for the source has none: `train-25001`. `item_link` is the film's IMDb id
as MovieLens writes it (`imdb:0114709`), for clean to match.
"""

from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from jobs.errors import InputError
from jobs.sources.cells import scalars
from jobs.sources.cells.fields import Field, number, text
from jobs.sources.cells.scalars import Parsed
from jobs.sources.folder import Folder
from jobs.sources.json_lines import JsonLines
from jobs.sources.options import Options
from jobs.sources.reading import LINE, Reading

SENTIMENT = {"neg": "0", "pos": "1"}


def _review_id(split: pa.Array, line: pa.Array) -> Parsed:
    return pc.binary_join_element_wise(scalars.text(split)[0], line, "-"), None


def _link(imdb_id: pa.Array) -> Parsed:
    given = scalars.text(pc.utf8_trim_whitespace(imdb_id))[0]
    return pc.binary_join_element_wise("imdb:", pc.replace_substring_regex(given, "^tt", ""), ""), None


FIELDS = {
    "review_id": Field(_review_id, ("split", LINE)),
    "item_link": Field(_link, ("imdb_id",)),
    "text": text("text"),
    "rating": number("rating"),
    "sentiment": Field(partial(scalars.look_up_name, names=SENTIMENT, then=scalars.number), ("label",)),
}


def readings(folder: Folder, options: Options) -> list[Reading]:
    """All JSON Lines files of the folder; InputError where there is none."""
    files = [name for name in folder.names if name.endswith((".jsonl", ".jsonl.gz"))]
    if not files:
        raise InputError(f"{folder.path}: no file of reviews here (*.jsonl, *.jsonl.gz); it holds: {folder.listing}")
    form = JsonLines(required=("split", "imdb_id", "text", "rating", "label"))
    return [Reading(name, "reviews", form, FIELDS) for name in files]
