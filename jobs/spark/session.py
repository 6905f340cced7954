"""The Spark session of a job, and tables as DataFrames. DataFrame API only: classic Spark and Spark Connect alike."""

from collections.abc import Sequence

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from jobs.night import Night
from jobs.spark import server as spark_server
from schemas.table import Table


def session(night: Night) -> SparkSession:
    """The session that spark-submit made, or SPARK_REMOTE's, or one on the server of the night's run."""
    config = night.settings
    if config.spark_submitted:
        builder = SparkSession.builder.appName("encore")
        for name, value in spark_server.CONFIGURATION.items():
            if name.startswith("spark.sql."):
                builder = builder.config(name, value)
        return builder.getOrCreate()
    from pyspark.sql.connect.client.retries import DefaultPolicy  # a third of a second, which tasks do without

    remote = config.spark_remote or spark_server.running(config, night.run.run_id).remote
    spark = SparkSession.builder.remote(remote).getOrCreate()
    # A server that died is noticed in seconds; pyspark would ask it again for ten minutes.
    spark.client.set_retry_policies([DefaultPolicy(max_retries=5)])
    return spark


def read(spark: SparkSession, files: Sequence[str], schema: pa.Schema) -> DataFrame:
    """Parquet files with exactly the columns of `schema`; a column that a file lacks is null."""
    wanted = from_arrow_schema(schema)
    if not files:
        return spark.createDataFrame([], wanted)
    return spark.read.schema(wanted).parquet(*map(hadoop, files))


def write(frame: DataFrame, folder: str, schema: pa.Schema, sort: Sequence[str] = ()) -> None:
    """Writes the columns of `schema`, in its order and types; `sort` orders the rows within each file."""
    wanted = from_arrow_schema(schema)
    columns = frame.select(*(frame[f.name].cast(f.dataType).alias(f.name) for f in wanted.fields))
    ordered = columns.sortWithinPartitions(*sort) if sort else columns
    ordered.write.mode("error").parquet(hadoop(folder))


def write_table(frame: DataFrame, folder: str, table: Table) -> None:
    """Writes rows of a table, sorted by its key within each file."""
    write(frame, folder, table.schema, [name for name in table.key if name not in table.partition])


def hadoop(address: str) -> str:
    """An address as Spark wants it: Hadoop calls the S3 file system s3a."""
    return address.replace("s3://", "s3a://", 1)
