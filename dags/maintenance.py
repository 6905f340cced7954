"""# Maintenance: once a week, what keeps the warehouse small and sound

`expire` removes nights beyond the newest `keep_nights`, and files that nobody refers to; `backup` writes the catalog's
pointers to a new file; `check` fails where the warehouse does not hold what the catalog says. All three leave nights
that are under way alone.
"""

from airflow.sdk import DAG, CronTriggerTimetable, Param

from dags.common import DAG_ARGUMENTS, JobOperator

FORM = {
    "keep_nights": Param(30, "Complete nights to keep of each domain", title="Nights", type="integer", minimum=1),
    "backup_to": Param(
        None,
        "Folder for a copy of the catalog; empty: none",
        title="Backup",
        type=["null", "string"],
    ),
}

with DAG(
    "maintenance",
    schedule=CronTriggerTimetable("0 12 * * 0", timezone="UTC"),
    doc_md=__doc__,
    params=FORM,
    **DAG_ARGUMENTS,
) as dag:
    expire, backup, check = (
        JobOperator(task_id=name, job="tables", arguments=[name, *arguments], when=when)
        for name, arguments, when in (
            ("expire", ["--keep-nights={{ params.keep_nights }}"], "True"),
            (
                "backup",
                ["--to={{ (params.backup_to or '').rstrip('/') }}/encore-{{ ts_nodash }}.db"],
                "{{ params.backup_to is not none }}",
            ),
            ("check", [], "True"),
        )
    )
    expire >> [backup, check]
