"""Clusters of processes of this machine, and what kills their parts."""

import json
import os
import pickle
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import psutil

RAY_PROGRAMS = {"head": "gcs_server", "node": "raylet", "worker": "ray::_call"}  # runs a task


@contextmanager
def dask_processes(folder, n_workers):
    """Start a Dask scheduler and workers of one thread; yields a client and the scheduler."""
    from distributed import Client

    file = folder / "scheduler.json"
    options = ["--scheduler-file", str(file), "--no-dashboard"]
    workers = ["worker", "--nthreads", "1", "--nworkers", str(n_workers)]
    commands = [["scheduler", "--port", "0", *options], [*workers, *options]]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    client = None
    with (folder / "cluster.log").open("w") as log:
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "dask", *command], stdout=log, stderr=log, env=environment
            )
            for command in commands[: 1 + bool(n_workers)]
        ]
        try:
            wait_for(file.exists, 60)
            client = Client(scheduler_file=str(file), set_as_default=False, timeout=60)
            if n_workers:
                client.wait_for_workers(n_workers, timeout=120)
            yield client, processes[0]
        finally:
            if client is not None:
                client.close(timeout=1)
            for process in processes:
                process.terminate()
            for process in processes:
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


@contextmanager
def after_first_checkpoint(folder, act):
    """Call ``act`` once there is a checkpoint in the folder."""

    def watch():
        if wait_for(lambda: folder.is_dir() and checkpoints(folder), 600, over):
            act()

    over = threading.Event()
    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def wait_for(condition, seconds, over=None):
    """Wait for a condition; False if it does not hold in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline or (over is not None and over.is_set()):
            return False
        time.sleep(0.02)
    return True


def checkpoints(folder):
    """Return the names of a folder's checkpoints, and when they were written."""
    return {file.name: file.stat().st_mtime_ns for file in folder.glob("*.safetensors")}


def fit_on_ray(X, y, parameters, folder, victim):
    """Fit on a Ray cluster of three workers, in another process, and kill a part of the cluster."""
    given, answer = folder / "given.pickle", folder / "answer.json"
    given.write_bytes(pickle.dumps((X, y, parameters)))
    command = [sys.executable, __file__, str(given), str(answer), str(folder / "kept"), victim]
    quiet = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    quiet |= {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=900, env=os.environ | quiet
    )
    assert answer.exists(), done.stderr[-2000:]
    return json.loads(answer.read_text())


def _fit_on_ray(given, answer, kept, victim):
    import ray
    from joblib import parallel_config
    from ray.util.joblib import register_ray
    from sklearn.base import clone

    from egem import EGEMClassifier
    from egem.errors import ClusterLost

    X, y, parameters = pickle.loads(given.read_bytes())
    ray.init(num_cpus=3, include_dashboard=False, logging_level="ERROR")
    register_ray()
    found = {"killed": [], "error": None}

    def kill():
        for process in psutil.Process().children(recursive=True):
            if process.name() == RAY_PROGRAMS[victim]:
                process.kill()
                found["killed"].append(process.pid)
                return

    try:
        with parallel_config(backend="ray"), after_first_checkpoint(kept, kill):
            clf = (
                clone(EGEMClassifier(**parameters))
                .set_params(training__checkpoint=str(kept))
                .fit(X, y)
            )
            found["losses"] = clf.losses(X).tolist()
    except ClusterLost as error:
        found["error"] = type(error).__name__
    answer.write_text(json.dumps(found))
    os._exit(0)  # Ray's own shutdown waits for a head that may be gone


if __name__ == "__main__":
    _fit_on_ray(*map(Path, sys.argv[1:4]), sys.argv[4])
