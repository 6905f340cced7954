"""Last.fm of HetRec 2011 (Cantador, Brusilovsky and Kuflik 2011): plays without times, artists, tags."""

from dataclasses import replace

from jobs.errors import InputError
from jobs.sources.cells import scalars
from jobs.sources.cells.fields import identity, look_up_name, number, text
from jobs.sources.delimited import Delimited
from jobs.sources.findings import Findings
from jobs.sources.folder import Folder
from jobs.sources.options import Options
from jobs.sources.reading import Reading

TABS = Delimited("\t", quote="")
TAG_NAMES = Delimited("\t", encoding="latin-1", quote="")
PLAYS = Reading(
    "user_artists.dat",
    "interactions",
    TABS,
    {"user_id": identity("userID"), "item_id": identity("artistID"), "value": number("weight")},
    {"kind": "play"},
)
ARTISTS = Reading("artists.dat", "items", TABS, {"item_id": identity("id"), "title": text("name")}, {"available": True})
TAGGED = Reading("user_taggedartists.dat", "annotations", TABS, {}, lookups=("tags.dat",))


def readings(folder: Folder, options: Options) -> list[Reading]:
    """The files that the folder has; InputError where there is none, or tagged artists without the tags' names."""
    result = [reading for reading in (PLAYS, ARTISTS) if reading.file in folder.names]
    if TAGGED.file in folder.names:
        tags = look_up_name("tagID", _tags(folder), as_list=True)
        result.append(replace(TAGGED, fields={"item_id": identity("artistID"), "tags": tags}))
    if not result:
        wanted = ", ".join(reading.file for reading in (PLAYS, ARTISTS, TAGGED))
        raise InputError(f"{folder.path}: no file of Last.fm (HetRec 2011) here ({wanted}); it holds: {folder.listing}")
    return result


def _tags(folder: Folder) -> dict[str, str]:
    """The names of the tags by their ids."""
    names: dict[str, str] = {}
    for records in TAG_NAMES.records(folder, "tags.dat", ("tagID", "tagValue"), Findings()):
        ids, values = (scalars.text(records.cells[name])[0].to_pylist() for name in ("tagID", "tagValue"))
        names |= {id: value for id, value in zip(ids, values, strict=True) if id and value}
    return names
