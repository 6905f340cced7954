"""What other teams' DAGs can be scheduled by: the published lists of each domain, as assets of Airflow.

A night whose lists the gate kept back emits nothing: an alias is an outlet without an event of its own.
"""

from typing import Any

from airflow.sdk import Asset, AssetAlias, Context

from dags.common import JobOperator
from schemas.names import NightState


def lists(domain: str) -> Asset:
    """The asset to be scheduled by: `schedule=[Asset(name="encore-movies", uri="encore://movies/lists")]`."""
    return Asset(name=f"encore-{domain}", uri=f"encore://{domain}/lists")


class PublishOperator(JobOperator):
    """Publishes a domain's night, and tells the asset: `extra` has domain, ds, run, snapshot, champion and metrics."""

    def __init__(self, arguments: list[str], **task: Any):
        (self.domain,) = (word.removeprefix("--domain=") for word in arguments if word.startswith("--domain="))
        self.alias = AssetAlias(f"encore-{self.domain}-night")
        super().__init__(**{"arguments": arguments, "outlets": [self.alias], **task})

    def execute(self, context: Context) -> Any:
        """Publishes, and emits the event where the night is complete."""
        result = super().execute(context)
        publication = (result or {}).get("publication") or {}
        if publication.get("state") == NightState.COMPLETE:
            context["outlet_events"][self.alias].add(lists(self.domain), extra=publication)
        return result
