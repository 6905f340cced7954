"""# Another team's DAG: runs when Encore has published new lists of movies

Put it into the DAGs' folder of the Airflow that runs Encore. It needs no package of Encore.
"""

import logging

from airflow.sdk import Asset, dag, task

log = logging.getLogger(__name__)
MOVIES = Asset(name="encore-movies", uri="encore://movies/lists")


@dag(schedule=[MOVIES], catchup=False, tags=["example"])
def new_lists():
    """One task, which sees what has been published."""

    @task(inlets=[MOVIES])
    def say(triggering_asset_events=None):
        """Returns what the events say: domain, ds, run, snapshot of `recommendations`, champion, metrics."""
        publications = [event.extra for event in triggering_asset_events[MOVIES]]
        for one in publications:
            log.info("%s %s: %s, NDCG@10 %s", one["domain"], one["ds"], one["champion"], one["metrics"].get("ndcg"))
        return publications

    say()


new_lists()
