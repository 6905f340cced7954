"""The Spark session of a job, and tables as DataFrames. DataFrame API only: classic Spark and Spark Connect alike."""

from collections.abc import Sequence

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from jobs.night import Night
from jobs.spark import cluster
from jobs.spark import server as spark_server
from jobs.spark.parquet import of_hadoop, read_files, write_folder
from schemas.table import Table

# Spark knows no size of what tasks read through Arrow, takes it for tiny and would broadcast every table: it is to
# decide once it has counted the rows.
OF_ARROW = {
    "spark.sql.autoBroadcastJoinThreshold": "-1",
    "spark.sql.adaptive.autoBroadcastJoinThreshold": "10MB",
}


def session(night: Night) -> SparkSession:
    """The session that spark-submit made, or SPARK_REMOTE's, or one on the server of the night's run."""
    config = night.settings
    if config.spark_submitted:
        builder = SparkSession.builder.appName("encore")
        for name, value in spark_server.CONFIGURATION.items():
            if name.startswith("spark.sql."):
                builder = builder.config(name, value)
        return builder.getOrCreate()
    if config.spark_remote:
        spark = cluster.remote_session(config, config.spark_remote)
    else:
        remote = spark_server.running(config, night.run.run_id).remote
        spark = SparkSession.builder.remote(remote).getOrCreate()
        cluster.notice_soon(spark)
    if not of_hadoop(night.settings.warehouse):
        for name, value in OF_ARROW.items():
            spark.conf.set(name, value)
    return spark


def read(spark: SparkSession, files: Sequence[str], schema: pa.Schema) -> DataFrame:
    """Parquet files with exactly the columns of `schema`; a column that a file lacks is null."""
    return read_files(spark, files, schema)


def write(frame: DataFrame, folder: str, schema: pa.Schema, sort: Sequence[str] = ()) -> None:
    """Writes the columns of `schema`, in its order and types; `sort` orders the rows within each file."""
    wanted = from_arrow_schema(schema)
    columns = frame.select(*(frame[f.name].cast(f.dataType).alias(f.name) for f in wanted.fields))
    write_folder(columns.sortWithinPartitions(*sort) if sort else columns, folder, schema)


def write_table(frame: DataFrame, folder: str, table: Table) -> None:
    """Writes rows of a table, sorted by its key within each file."""
    write(frame, folder, table.schema, [name for name in table.key if name not in table.partition])
