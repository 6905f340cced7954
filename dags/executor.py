"""Executor of `encore nightly`: tasks of one run side by side, without a scheduler and without an API server.

`airflow dags test --use-executor` decides which tasks may run and hands them to the executor of the configuration
(AIRFLOW__CORE__EXECUTOR). Airflow's LocalExecutor would need the API server, half a minute to start; here each worker
process asks Airflow's API inside itself, as `dags test` does without an executor.

Domains go first in the order of the DAG, so that the first one's lists are there early; the next takes what it leaves
of the workers. Tasks of a pool run at most as many at a time as it has slots, which `dags test` does not look at.
"""

import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from queue import Empty, SimpleQueue
from typing import Any

from airflow.executors.base_executor import BaseExecutor
from airflow.models import Pool
from airflow.sdk.api.datamodels._generated import TaskInstance
from airflow.sdk.execution_time.supervisor import run_task_in_process

from dags.common import DOMAINS
from schemas.names import GPU_DEVICE

WAIT_SECONDS = 4.0  # for a task to end; then Airflow looks whether one is to be tried again, or skipped


class SideBySideExecutor(BaseExecutor):
    """Runs tasks in `[core] parallelism` worker processes. A thread gives them tasks: Airflow looks now and then.

    waiting: tasks by key. tasks: what each worker runs, by our end of its pipe. ended: (key, why it failed or None).
    """

    is_local = True

    def start(self) -> None:
        """Starts the workers, which are forks of a process that has imported what they need."""
        from dags.nightly import dag  # not above: Airflow would take this module for a second file of the DAG

        self.pools = {name: task.pool for name, task in dag.task_dict.items()}
        self.slots = {pool.pool: pool.slots for pool in Pool.get_pools()}
        if not GPU_DEVICE.exists():
            self.slots["gpu"] = self.parallelism
        # Not forks of this process: SQLite must not be carried over a fork.
        self.forking = multiprocessing.get_context("forkserver")
        self.forking.set_forkserver_preload(["dags.executor", "dags.nightly"])
        self.open, self.lock, self.parent = True, threading.Lock(), os.getppid()
        self.waiting: dict[Any, Any] = {}
        self.tasks: dict[Connection, Any] = {}
        self.ended: SimpleQueue[tuple[Any, str | None]] = SimpleQueue()
        self.workers: dict[Connection, Any] = {}
        for _ in range(self.parallelism):
            self._start_worker()
        threading.Thread(target=self._collect, daemon=True).start()

    def _start_worker(self) -> None:
        ours, theirs = self.forking.Pipe()
        process = self.forking.Process(target=work, args=(theirs,), daemon=True)
        process.start()
        theirs.close()
        self.workers[ours] = process

    def trigger_tasks(self, open_slots: int) -> None:
        """Takes all that is queued."""
        super().trigger_tasks(len(self.queued_tasks))

    def _process_workloads(self, workload_items: Sequence[Any]) -> None:
        for task in workload_items:
            del self.queued_tasks[task.key]
            self.running.add(task.key)
        with self.lock:
            self.waiting |= {task.key: task.ti for task in workload_items}
            self._give()

    def _give(self) -> None:
        """Gives tasks to workers that have nothing to do, as far as pools have room."""
        idle = [worker for worker in self.workers if worker not in self.tasks]
        busy = Counter(self.pools[key.task_id] for key in self.tasks.values())
        for key, ti in sorted(self.waiting.items(), key=lambda item: place(item[1])):
            pool = self.pools[key.task_id]
            if idle and busy[pool] < self.slots.get(pool, self.parallelism):
                busy[pool] += 1
                worker = idle.pop()
                self.tasks[worker] = key
                del self.waiting[key]
                worker.send(ti.model_dump(include=set(TaskInstance.model_fields)))

    def _collect(self) -> None:
        """In a thread: notes which tasks have ended, and gives their workers the next. A worker that died has failed
        its task."""
        while self.workers:
            for worker in wait([*self.workers]):
                assert isinstance(worker, Connection)
                with self.lock:
                    key = self.tasks.pop(worker, None)
                    try:
                        reason = worker.recv()
                    except (EOFError, OSError):
                        reason = f"worker {self.workers.pop(worker).pid} is gone"
                        if self.open:
                            self._start_worker()
                    if key is not None:
                        self.ended.put((key, reason))
                    self._give()

    def sync(self) -> None:
        """Tells Airflow which tasks have ended. Waits for one where tasks run: after each call Airflow looks at all
        tasks of the run, which takes it a tenth of a second. Ends the run where the process that wanted it was killed.
        """
        if os.getppid() != self.parent:
            self.terminate()
            raise SystemExit("the process that started this run is gone")
        seconds = WAIT_SECONDS if self.running else 0.0
        with suppress(Empty):
            while True:
                key, reason = self.ended.get(timeout=seconds)
                self.fail(key, reason) if reason else self.success(key)
                seconds = 0.0

    def end(self) -> None:
        """Ends the workers, which have nothing to do when the run has ended."""
        self.open = False
        for worker in [*self.workers]:
            with suppress(OSError):
                worker.send(None)

    def terminate(self) -> None:
        """Ends the workers with their tasks."""
        self.open = False
        for process in [*self.workers.values()]:
            process.terminate()


def place(ti: Any) -> tuple[int, int]:
    """Where a task stands among those that wait: of the run, then of the first domain, there with more behind it."""
    domain = ti.task_id.partition(".")[0]
    return DOMAINS.index(domain) if domain in DOMAINS else -1, -ti.priority_weight


def work(tasks: Connection) -> None:
    """A worker: runs the tasks that come through the pipe until None comes, answers when each has ended."""
    from dags.nightly import dag

    with suppress(EOFError, KeyboardInterrupt):
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # the operator then ends its job
        while given := tasks.recv():
            ti = TaskInstance(**given)
            reason = None
            try:
                run_task_in_process(ti=ti, task=dag.task_dict[ti.task_id])
            except Exception as error:  # of Airflow: the operator's own are the task's
                reason = repr(error)
            tasks.send(reason)
