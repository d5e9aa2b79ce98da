"""Clusters of processes of this machine, started for a test, and what kills their parts."""

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

RAY_PROGRAMS = {"head": "gcs_server", "node": "raylet", "worker": "ray::_call"}  # at a task of egem


@contextmanager
def started(folder, n_workers):
    """Start a Dask scheduler and workers of one thread; yields a client and the scheduler."""
    from distributed import Client

    file = folder / "scheduler.json"
    about = ["--scheduler-file", str(file), "--no-dashboard"]
    dask = [sys.executable, "-m", "dask"]
    log = (folder / "cluster.log").open("w")
    processes = [
        subprocess.Popen(command, stdout=log, stderr=log)
        for command in (
            [*dask, "scheduler", "--port", "0", *about],
            [*dask, "worker", "--nthreads", "1", "--nworkers", str(n_workers), *about],
        )
    ]
    client = None
    try:
        wait_for(file.exists, 60)
        client = Client(scheduler_file=str(file), set_as_default=False, timeout=60)
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
        log.close()


@contextmanager
def after_first(folder, act):
    """Call ``act`` once a first shard is in the folder."""

    def watch():
        if wait_for(lambda: folder.is_dir() and any(folder.glob("*.safetensors")), 600, over):
            act()

    over = threading.Event()
    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def wait_for(there, seconds, over=None):
    """Wait until something is there; whether it came."""
    until = time.monotonic() + seconds
    while not there():
        if time.monotonic() > until or (over is not None and over.is_set()):
            return False
        time.sleep(0.02)
    return True


def slices(folder):
    """What is in a checkpoint folder, and when it was written."""
    return {file.name: file.stat().st_mtime_ns for file in folder.glob("*.safetensors")}


def ray_script(X, y, parameters, folder, victim):
    """Fit on a Ray cluster of three workers in a process of its own, and kill a part of it."""
    given, answer = folder / "given.pickle", folder / "answer.json"
    given.write_bytes(pickle.dumps((X, y, parameters)))
    command = [sys.executable, __file__, str(given), str(answer), str(folder / "kept"), victim]
    quiet = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=900, env=os.environ | quiet
    )
    assert answer.exists(), done.stderr[-2000:]
    return json.loads(answer.read_text())


def _fit_on_ray(given, answer, kept, victim):
    import ray
    from joblib import parallel_config
    from ray.util.joblib import register_ray

    from egem import EGEMClassifier
    from egem.errors import ClusterLost

    X, y, parameters = pickle.loads(given.read_bytes())
    ray.init(num_cpus=3, include_dashboard=False, logging_level="ERROR")
    register_ray()
    found = {"killed": [], "error": None}
    killed = []

    def kill():
        for process in psutil.Process().children(recursive=True):
            if process.name() == RAY_PROGRAMS[victim]:
                process.kill()
                found["killed"].append(process.pid)
                killed.append(time.monotonic())
                return

    try:
        with parallel_config(backend="ray"), after_first(kept, kill):
            clf = EGEMClassifier(**parameters, checkpoint=str(kept)).fit(X, y)
            found["losses"] = clf.losses(X).tolist()
    except ClusterLost as error:
        found |= {"error": type(error).__name__, "seconds": time.monotonic() - killed[0]}
    answer.write_text(json.dumps(found))
    os._exit(0)  # Ray's own end waits for a head that may be gone


if __name__ == "__main__":
    _fit_on_ray(*map(Path, sys.argv[1:4]), sys.argv[4])
