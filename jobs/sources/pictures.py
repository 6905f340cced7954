"""Pictures lie beside the imported files: a path in a file is made one that later jobs find."""

import pyarrow as pa
import pyarrow.compute as pc

from jobs.sources.folder import Folder, ZipFolder

COLUMN = "poster"
# What has a place of its own already, and what would lead outside of the folder: both stay as they are.
_ELSEWHERE = r"^/|^[A-Za-z][A-Za-z0-9+.-]*:|(^|/)\.\.(/|$)"


def locate(rows: pa.RecordBatch, folder: Folder) -> pa.RecordBatch:
    """The rows with paths of pictures in `folder` made absolute; as they are where it is an archive."""
    if COLUMN not in rows.schema.names or isinstance(folder, ZipFolder):
        return rows
    paths = rows[COLUMN]
    inside = pc.binary_join_element_wise(str(folder.root), paths, "/")
    stays = pc.match_substring_regex(paths, _ELSEWHERE)
    place = rows.schema.get_field_index(COLUMN)
    return rows.set_column(place, rows.schema.field(COLUMN), pc.if_else(stays, paths, inside))
