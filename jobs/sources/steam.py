"""Steam 200k (Tamber, with the ids of Fortes): hours played and purchases without times, and the games' names."""

from jobs.errors import InputError
from jobs.sources.cells.fields import identity, number, text
from jobs.sources.delimited import Delimited
from jobs.sources.folder import Folder
from jobs.sources.options import Options
from jobs.sources.reading import Reading

TABS = Delimited("\t", quote="")
EVENT = {"user_id": identity("User_ID"), "item_id": identity("Game_ID")}
FILES = (
    Reading("game_play.dat", "interactions", TABS, EVENT | {"value": number("Hours")}, {"kind": "play"}),
    Reading("game_purchase.dat", "interactions", TABS, EVENT, {"kind": "purchase"}),
    Reading(
        "item_info.dat",
        "items",
        TABS,
        {"item_id": identity("Game_ID"), "title": text("Game Name")},
        {"available": True},
    ),
)


def readings(folder: Folder, options: Options) -> list[Reading]:
    """The files that the folder has; InputError where there is none."""
    result = [reading for reading in FILES if reading.file in folder.names]
    if not result:
        wanted = ", ".join(reading.file for reading in FILES)
        raise InputError(f"{folder.path}: no file of Steam 200k here ({wanted}); it holds: {folder.listing}")
    return result
