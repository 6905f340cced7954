"""File formats that `encore import` reads.

Each format is a module with `readings(folder, options)`, which says what each file becomes; the other modules are parts
of these. `jobs/imports.py` imports them, and nothing else but benchmarks does; they import errors and schemas, and
write nothing. A new format is one module here, one line in FORMATS and a page in docs/sources/ (CONTRIBUTING.md has an
example). Begin with `reading.py`, then a format: `steam.py`.
"""

from collections.abc import Mapping

# format → (module, what it reads)
FORMATS: Mapping[str, tuple[str, str]] = {
    "movielens": (
        "jobs.sources.movielens",
        "MovieLens 100k, 1M, 10M, latest, 20M, 25M, 32M, told apart by their files",
    ),
    "lastfm": ("jobs.sources.lastfm", "Last.fm (HetRec 2011): plays, artists, tags"),
    "steam": ("jobs.sources.steam", "Steam 200k: hours played, purchases, games"),
    "imdb": ("jobs.sources.imdb", "IMDb reviews as JSON Lines, matched to items through their IMDb ids"),
    "csv": ("jobs.sources.columns", "delimited text; columns named as in the landing tables, or mapped with --map"),
    "jsonl": ("jobs.sources.columns", "one JSON object a line, likewise"),
    "parquet": ("jobs.sources.columns", "Parquet files, likewise"),
    "demo": ("jobs.sources.columns", "a made-up company with something true to find; written to PATH, then imported"),
}
