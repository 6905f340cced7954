"""Entity resolution of reviews: the item of each, looked up in the newest catalogue, anew where the catalogue changed.

So a review that came before its item gets it, whichever night judged it, and what a review was about does not depend on
the order of nights. The catalogue is that of the newest night that has run: tonight, or a later one.
"""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.cleaning.database import database
from jobs.cleaning.facts import write_ids
from jobs.cleaning.judging import Share, read_share, shares
from jobs.cleaning.pieces import LINKS, Given, Grown, Judging, Landed
from jobs.cleaning.pinned import Deliveries
from jobs.cleaning.ranges import place_of
from jobs.cleaning.spec import REVIEWS
from jobs.cleaning.spread import Spread
from jobs.cleaning.versions import match_items
from jobs.cleaning.writing import write_rows
from jobs.storage.files import delete_file, listing
from jobs.storage.frames import read, write
from schemas.tables import TABLES

# Of landed reviews: their delivery and line, and the item that the catalogue has for them.
MATCHED = pa.schema(
    [("review_id", pa.string()), ("number", pa.int64()), ("line", pa.int64()), ("item_id", pa.string())]
)


def use_newest_catalogue(judging: Judging, items: pa.Table, pinned: Deliveries) -> tuple[Judging, bool]:
    """How reviews are judged, where tonight's catalogue is `items`; whether published ones may have other items now."""
    earlier = pinned.earlier(REVIEWS.name)
    if not (earlier or pinned.new(REVIEWS.name)):
        return judging, False
    published = pinned.partitions("items")
    newest = max(published, default="")
    known = read(published.get(newest, []), TABLES["items"].schema, columns=["item_id", "links"])
    if newest > pinned.ds:
        items = known
    now = write_ids(items, f"{judging.folder}/.work/newest")
    before = write_ids(known, f"{judging.folder}/.work/published")
    changed = bool(earlier) and any(
        not _read_sorted(a).equals(_read_sorted(b)) for a, b in zip(now, before, strict=True)
    )
    return replace(judging, items=now[0], links=now[1]), changed


def _read_sorted(address: str) -> pa.Table:
    rows = read([address], LINKS)
    return rows.sort_by([(name, "ascending") for name in rows.column_names]).combine_chunks()


def rematch(given: Given, grown: Grown, spread: Spread) -> None:
    """Looks the items of all earlier reviews up again; `grown` gets the files in which some are others."""
    judging = given.judging
    folder = f"{judging.folder}/.work/matched"
    landed = [one for one in given.earlier() if one.data]
    pieces = [(judging, one, share, folder, part) for one in landed for part, share in enumerate(shares(one.data))]
    if not pieces:
        return
    spread(match_piece, pieces)
    partitions = {ds: list(paths) for ds, paths in given.partitions.items()} | grown.partitions
    every = [(ds, path) for ds, paths in partitions.items() for path in paths]
    work = [
        (path, folder, place_of(judging.folder, REVIEWS.name, ds, judging.ds), f"matched-{n}")
        for n, (ds, path) in enumerate(every)
    ]
    for (ds, old), new in zip(every, spread(replace_items, work), strict=True):
        if new is not None:
            grown.partitions[ds] = sorted([new, *(path for path in partitions[ds] if path != old)])
            partitions[ds] = grown.partitions[ds]
            if old.startswith(f"{judging.folder}/"):
                delete_file(old)


def match_piece(work: tuple[Judging, Landed, Share, str, int]) -> None:
    """Writes the items of a share's accepted reviews (MATCHED) into the delivery's folder."""
    judging, one, share, folder, part = work
    rows = read_share(share, REVIEWS.name, ["review_id", "item_id", "item_link", "line"])
    bad = pc.is_in(rows["line"], value_set=pa.array(sorted(one.excluded), pa.int64()))
    rows = rows.filter(pc.invert(bad))
    columns = [rows["review_id"], pa.repeat(one.number, rows.num_rows), rows["line"], match_items(rows, judging)]
    write(pa.table(columns, names=MATCHED.names).cast(MATCHED), f"{folder}/{one.number}", str(part))


def replace_items(work: tuple[str, str, str, str]) -> str | None:
    """A file of `reviews` with the items that `match_piece` has found, as a new one; None where all are the same."""
    address, matched, folder, name = work
    keys = read([address], REVIEWS.schema, columns=["review_id", "delivery", "item_id"])
    numbers = pc.unique(keys["delivery"]).drop_null().to_pylist()
    matches = read([path for n in numbers for path in listing(f"{matched}/{n}", ".parquet")], MATCHED)
    keys = keys.append_column("place", pa.array(np.arange(keys.num_rows)))
    with database() as db:
        db.register("keys", keys)
        db.register("matches", matches)
        new = db.execute(
            """SELECT place, newest.item_id FROM keys JOIN (
                   SELECT review_id, number, unnest(arg_max(struct_pack(item_id := item_id), line))
                   FROM matches GROUP BY review_id, number) newest
               ON keys.review_id = newest.review_id AND keys.delivery = newest.number
               WHERE keys.item_id IS DISTINCT FROM newest.item_id"""
        ).to_arrow_table()
    if not new.num_rows:
        return None
    at = pc.index_in(keys["place"], value_set=new["place"].combine_chunks())
    items = pc.if_else(at.is_valid(), new["item_id"].combine_chunks().take(at.combine_chunks()), keys["item_id"])
    rows = read([address], REVIEWS.schema)
    place = rows.schema.get_field_index("item_id")
    return write_rows(rows.set_column(place, rows.schema.field(place), items), REVIEWS, folder, name)
