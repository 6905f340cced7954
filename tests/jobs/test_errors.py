"""What errors of others become: a Spark Connect server that is gone is named."""

import pytest

from jobs.errors import name_lost_server

GONE = """<_MultiThreadedRendezvous of RPC that terminated with:
\tstatus = StatusCode.UNAVAILABLE
\tdetails = "failed to connect to all addresses"
>"""
LOG = "/state/spark/night.log"
OWN = "the Spark server of this run has ended; the end of /state/spark/night.log says why"
Spark = type("SparkConnectGrpcException", (Exception,), {"__module__": "pyspark.errors.exceptions.connect"})


@pytest.mark.parametrize(
    ("remote", "name"),
    [("sc://spark.example.org:15002/;token=secret", "SPARK_REMOTE=sc://spark.example.org:15002"), (None, OWN)],
)
def test_a_server_that_is_gone_is_named_without_its_token(remote: str | None, name: str) -> None:
    error = name_lost_server(Spark(GONE), remote, LOG)
    assert isinstance(error, ConnectionError)
    assert str(error) == (f'{name}: details = "failed to connect to all addresses"')
    assert "secret" not in str(error)


@pytest.mark.parametrize("error", [Spark("StatusCode.INTERNAL"), ValueError(GONE)], ids=["of Spark", "not of Spark"])
def test_other_errors_stay(error: Exception) -> None:
    assert name_lost_server(error, None, LOG) is error
