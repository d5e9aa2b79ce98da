"""Commands that are stopped by Ctrl-C."""

import signal
import subprocess
import sys
import time

# A shell's background jobs, and what they start, ignore SIGINT.
HEED_SIGINT = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


def test_ctrl_c_stops_with_130_and_leaves_nothing(tmp_path):
    announced = "from egem.apps.cli import app; print('ready', flush=True); app()"
    run = subprocess.Popen(
        [
            sys.executable,
            "-c",
            HEED_SIGINT + announced,
            "fit",
            "digits",
            "-o",
            "m.st",
            "--updates",
            "1000000",
        ],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "ready\n"
    time.sleep(3)
    run.send_signal(signal.SIGINT)
    _, words = run.communicate(timeout=300)
    assert run.returncode == 130
    assert words == "stopped\n"
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_is_not_lost_in_a_callback_of_the_garbage_collector(tmp_path):
    swallowing = (
        "import gc, os, signal, time\n"
        "from egem.apps.cli.guard import repeated_interrupt\n"
        "def callback(phase, info):\n"
        "    if phase == 'start' and not lost: lost.append(os.kill(os.getpid(), signal.SIGINT))\n"
        "    time.sleep(0)\n"
        "lost = []\n"
        "gc.callbacks.append(callback)\n"
        "try:\n"
        "    with repeated_interrupt():\n"
        "        gc.collect()\n"
        "        print('swallowed', flush=True)\n"
        "        while True: time.sleep(0.01)\n"
        "except KeyboardInterrupt:\n"
        "    print('stopped')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", HEED_SIGINT + swallowing],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout == "swallowed\nstopped\n"
    assert done.stderr == ""
