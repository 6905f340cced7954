"""OpenLineage: what a task read and wrote, in the events that Airflow's provider sends.

The provider is in docker/airflow-workers.lock. Without it, or without an address to send events to, jobs are not asked
what they read.
"""

from collections.abc import Mapping
from typing import Any


def is_wanted() -> bool:
    """Whether this Airflow sends events."""
    try:
        from airflow.providers.openlineage.conf import is_disabled  # type: ignore[import-not-found]
    except ImportError:
        return False
    return not is_disabled()


def operator_lineage(reported: Mapping[str, Any], warehouse: str) -> Any:
    """Makes the datasets of a task's events: a table is `encore.TABLE` in the namespace of the warehouse's address."""
    from airflow.providers.openlineage.extractors import OperatorLineage  # type: ignore[import-not-found]
    from openlineage.client.event_v2 import InputDataset, OutputDataset  # type: ignore[import-not-found]
    from openlineage.client.generated.output_statistics_output_dataset import OutputStatisticsOutputDatasetFacet  # type: ignore[import-not-found]
    from openlineage.client.generated.schema_dataset import SchemaDatasetFacet, SchemaDatasetFacetFields  # type: ignore[import-not-found]

    def described(table: Mapping[str, Any]) -> dict[str, Any]:
        fields = [SchemaDatasetFacetFields(name, kind, meaning) for name, kind, meaning in table["columns"]]
        name = f"encore.{table['table']}"
        return {"namespace": warehouse, "name": name, "facets": {"schema": SchemaDatasetFacet(fields=fields)}}

    def written(table: Mapping[str, Any]) -> Any:
        statistics = OutputStatisticsOutputDatasetFacet(rowCount=table["rows"])
        return OutputDataset(**described(table), outputFacets={"outputStatistics": statistics})

    return OperatorLineage(
        inputs=[InputDataset(**described(table)) for table in reported.get("inputs", ())],
        outputs=[written(table) for table in reported.get("outputs", ())],
    )
