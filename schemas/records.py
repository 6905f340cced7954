"""Tables about a night itself: metrics, models, and the run."""

from enum import StrEnum

import pyarrow as pa

from schemas.inputs import DOMAIN, DS
from schemas.table import Column, Contract, Table


class ModelStatus(StrEnum):
    """What the gate made of a model, in `models.status`; REFUSED: the best one of a night that was refused."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"
    REFUSED = "refused"
    FAILED = "failed"


METRICS = Table(
    name="metrics",
    meaning="How good each model of the night was on the held-out events, all on the same users, and how tonight's "
    "events compare with those of the nights before (model `data`). Definitions: docs/evaluation.md, docs/activity.md.",
    columns=(
        DOMAIN,
        DS,
        Column(
            "model",
            pa.string(),
            "the model, <model>-incumbent with the incumbent's settings; `data` for the night's own events; "
            "recency_frequency and activity for the forecasts of `activity`",
            required=True,
        ),
        Column("split", pa.string(), "how events were held out: time, leave_last_out, hash, or none", required=True),
        Column(
            "segment",
            pa.string(),
            "which users (all, new, casual, heavy; activity_new, activity_rising, …; decile_01 … decile_10 by "
            "forecast) or which held-out items (head_items, tail_items)",
            required=True,
        ),
        Column(
            "metric",
            pa.string(),
            "ndcg, hr, recall, precision, map, mrr; coverage, novelty (bits), diversity, popularity, cold_items, "
            "tail_items; volume (ratio), popularity_psi, activity_psi; auc, brier, predicted, active_share",
            required=True,
        ),
        Column("k", pa.int32(), "length of the list that is judged; 0 where there is none", required=True),
        Column("value", pa.float64(), "mean over the users; for coverage and drift the value itself", required=True),
        Column("users", pa.int64(), "how many users", required=True),
        Column("low", pa.float64(), "lower end of the 95 % bootstrap interval, or the value itself", required=True),
        Column("high", pa.float64(), "upper end of the 95 % bootstrap interval, or the value itself", required=True),
    ),
    key=("domain", "ds", "model", "split", "segment", "metric", "k"),
    contracts=(
        Contract(
            "in_range",
            """SELECT * FROM metrics WHERE NOT (0 <= low AND low <= value AND value <= high AND isfinite(high)
               AND (high <= 1 OR metric IN ('novelty', 'volume', 'popularity_psi', 'activity_psi')))""",
            "values are finite, not below 0 and inside their interval; all but novelty and drift are at most 1",
        ),
    ),
)

MODELS = Table(
    name="models",
    meaning="Every model of the night: where its artifact is and whether it was chosen.",
    columns=(
        DOMAIN,
        DS,
        Column(
            "model",
            pa.string(),
            "the model, <model>-incumbent with the incumbent's settings",
            required=True,
        ),
        Column("artifact", pa.string(), "address of its saved folder"),
        Column("checksum", pa.string(), "SHA-256 over the artifact's files, hexadecimal"),
        Column("status", pa.string(), "{}, {}, {} or {}".format(*ModelStatus), required=True),
        Column("reason", pa.string(), "why it has that status", required=True),
        Column("train_seconds", pa.float64(), "seconds of training"),
        Column("configuration", pa.string(), "its settings as resolved and chosen, JSON"),
        Column("settings", pa.string(), "its settings as asked for, JSON"),
        Column("device", pa.string(), "what a network was trained on, and Keras' backend"),
        Column("gpu_seconds", pa.float64(), "seconds that its training held a GPU"),
        Column("gpu_peak_bytes", pa.int64(), "most bytes of the GPU's memory in use, of the whole card"),
        Column("gpu_joules", pa.float64(), "energy of the card meanwhile, where it counts it"),
    ),
    key=("domain", "ds", "model"),
    contracts=(
        Contract(
            "one_champion",
            f"SELECT domain FROM models GROUP BY ALL HAVING count(*) FILTER (status = '{ModelStatus.CHAMPION}') > 1",
            "at most one champion a night",
        ),
    ),
)

RUNS = Table(
    name="runs",
    meaning="One row for each publication; a night is complete when its row says so. Written last.",
    columns=(
        DOMAIN,
        DS,
        Column("run_id", pa.string(), "the run", required=True),
        Column("trigger", pa.string(), "scheduled, manual, … or rollback", required=True),
        Column("state", pa.string(), "complete or refused", required=True),
        Column("reason", pa.string(), "why the gate chose the champion, or refused the night"),
        Column("sequence", pa.int64(), "counts the domain's publications, from 1", required=True),
        Column("configuration", pa.string(), "the resolved configuration, JSON"),
        Column("configuration_hash", pa.string(), "its SHA-256, hexadecimal"),
        Column(
            "code_version",
            pa.string(),
            "version and commit, as 0.1.0+1a2b3c4d5e6f; `.dirty`: of changed files",
        ),
        Column("input_snapshots", pa.string(), "table → snapshot that the run read, JSON"),
        Column("rows", pa.string(), "table → rows published, JSON"),
        Column("tasks", pa.string(), "task → seconds, peak memory (MiB), cores' seconds, bytes, GPU, joules; JSON"),
        Column("catalogue", pa.string(), "stands for the deliveries that `items` and `users` are made of"),
    ),
    key=("domain", "ds", "run_id"),
    partition=("domain", "ds", "run_id"),
)
