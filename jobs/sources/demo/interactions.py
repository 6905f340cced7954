"""The interactions of a scene: every event with its value in the domain's unit, and for games the purchases."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.sources.cells.dates import DAY_SECONDS
from jobs.sources.demo.draws import Floats
from jobs.sources.demo.reviews import rating
from jobs.sources.demo.scene import Scene

_BOUGHT_SECONDS_BEFORE = 600


def interactions(scene: Scene) -> pa.Table:
    """user_id, item_id, kind, value, ts (seconds since 1970, UTC), by ts and then by ids."""
    done = scene.events
    kind = "rating" if scene.world.domain == "movies" else "play"
    user, item, ts = done.user, done.item, done.ts
    value = pa.array(_values(scene))
    kinds = pa.array([kind] * len(ts), pa.string())
    if scene.world.domain == "games":
        first = ~done.again
        # on the day of the first play, so that nobody buys what is not yet released
        bought = ts[first] - np.minimum(ts[first] % DAY_SECONDS, _BOUGHT_SECONDS_BEFORE)
        user, item, ts = (np.concatenate(c) for c in ((user, user[first]), (item, item[first]), (ts, bought)))
        value = pa.concat_arrays([value, pa.nulls(len(bought), pa.float64())])
        kinds = pa.concat_arrays([kinds, pa.array(["purchase"] * len(bought), pa.string())])
    table = pa.table(
        {
            "user_id": pa.array(scene.user_ids(), pa.string()).take(pa.array(user)),
            "item_id": pa.array(scene.item_ids(), pa.string()).take(pa.array(item)),
            "kind": kinds,
            "value": value,
            "ts": ts,
        }
    )
    return table.take(pc.sort_indices(table, [(name, "ascending") for name in ("ts", "user_id", "item_id", "kind")]))


def _values(scene: Scene) -> Floats:
    """Stars of movies, number of plays of music, hours of games; more of each where the user likes the item."""
    done, draws = scene.events, scene.world.draws
    if scene.world.domain == "movies":
        return rating(done.liking)
    luck = draws.normal("value", scene.users.keys[done.user], done.ts)
    if scene.world.domain == "music":
        return np.asarray(np.clip(np.floor(np.exp(0.3 + 0.45 * done.liking + 0.4 * luck)), 1.0, 40.0))
    return np.asarray(np.clip(np.round(np.exp(0.2 + 0.5 * done.liking + 0.5 * luck), 1), 0.1, 16.0))
