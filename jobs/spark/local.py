"""Which inputs are so small that a task does itself what tasks of Spark would do: Spark's start takes longer than that.

The functions are the same, and so are the rows. A deployment that names a cluster has all of them there.
"""

from jobs.settings import Settings

MAX_EVENTS = 2_000_000  # two cores compute vocabulary, sequences and similarity of so many in seconds
MAX_IDS = 1 << 18  # users and items: bounds the texts of the items, and with them the memory of the task


def fits_here(settings: Settings, events: int, ids: int) -> bool:
    """Whether so many events, of so many users and items, are few enough for the task's own process."""
    on_cluster = bool(settings.spark_remote) or settings.spark_submitted
    return not on_cluster and events <= MAX_EVENTS and ids <= MAX_IDS
