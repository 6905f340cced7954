#!/usr/bin/env bash
# spark.sh master|worker|connect: Spark's standalone master, a worker, or the Connect server that jobs share. Executors
# run in this image, so Encore is there and needs no archive.
set -euo pipefail
home=$(.venv/bin/python -c 'import pyspark; print(pyspark.__path__[0])')
export PYSPARK_PYTHON=/opt/encore/.venv/bin/python
master=spark://${SPARK_MASTER:-spark-master}:7077
case $1 in
    master) exec "$home/bin/spark-class" org.apache.spark.deploy.master.Master --port 7077 ;;
    worker)
        exec "$home/bin/spark-class" org.apache.spark.deploy.worker.Worker --work-dir /tmp/spark --webui-port 8081 \
            --cores "${CORES:-2}" --memory "${MEMORY:-2g}" "$master"
        ;;
    connect)
        exec "$home/bin/spark-submit" --master "$master" \
            --class org.apache.spark.sql.connect.service.SparkConnectServer \
            --conf spark.python.daemon.module=jobs.similarity.worker \
            --conf spark.driver.memory=2g --conf spark.executor.memory="${MEMORY:-2g}" \
            --conf spark.sql.warehouse.dir=/tmp/spark-warehouse \
            spark-internal
        ;;
    *)
        echo "usage: $0 master|worker|connect" >&2
        exit 2
        ;;
esac
