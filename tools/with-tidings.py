#!/usr/bin/env python3
"""Run a command against a Tidings of its own: with-tidings.py BINARY COMMAND...

Starts `BINARY dev` on a new folder and free ports, waits until it says that it has started, and runs COMMAND with
TIDINGS_URL (page and API), TIDINGS_DATA (the folder) and TIDINGS_BIN (the binary) set. Afterwards the process is asked
to stop; one that does not drain, or that leaves its nats-server, is a failure even when the command was happy.
Ends with the command's exit code, or with 1. Needs Python 3.8 and its standard library only.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

START_LIMIT_S = 60
STOP_LIMIT_S = 30
LOOK_INTERVAL_S = 0.05


class Trouble(Exception):
    """Tidings did not start, or did not stop as it should; in one line."""


def start(binary, data, log):
    """Start `binary dev` on `data`; its process and what it says of itself."""
    command = [binary, "dev", "--data", str(data), "--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Trouble(f"tidings ended while starting, with {process.returncode}")
        try:
            return process, json.loads((data / "endpoints.json").read_text())
        except (FileNotFoundError, ValueError):
            time.sleep(LOOK_INTERVAL_S)
    process.kill()
    raise Trouble(f"tidings did not start within {START_LIMIT_S} s")


def stop(process, data):
    """Ask it to stop; it must drain and take its nats-server with it."""
    process.send_signal(signal.SIGTERM)
    try:
        code = process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise Trouble(f"tidings did not stop within {STOP_LIMIT_S} s") from None
    if code != 0:
        raise Trouble(f"tidings did not drain, it ended with {code}")
    pid_file = data / "nats" / "nats-server.pid"
    if pid_file.exists() and alive(int(pid_file.read_text())):
        raise Trouble("tidings left its nats-server running")


def alive(pid):
    """Whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def run(binary, command):
    """Run `command` against a Tidings of its own and give its exit code."""
    with tempfile.TemporaryDirectory(prefix="tidings-") as home:
        data, log_path = Path(home) / "data", Path(home) / "log"
        with open(log_path, "wb") as log:
            try:
                process, endpoints = start(binary, data, log)
                variables = {
                    "TIDINGS_URL": endpoints["url"],
                    "TIDINGS_DATA": str(data),
                    "TIDINGS_BIN": os.path.abspath(binary),
                }
                try:
                    code = subprocess.call(command, env={**os.environ, **variables})
                finally:
                    stop(process, data)
            except Trouble:
                sys.stderr.write(log_path.read_text(errors="replace"))
                raise
            if code != 0:
                sys.stderr.write(f"--- log of tidings\n{log_path.read_text(errors='replace')}")
        return code


def main():
    if len(sys.argv) < 3:
        sys.exit("with-tidings: BINARY COMMAND...")
    try:
        sys.exit(run(sys.argv[1], sys.argv[2:]))
    except (Trouble, OSError) as trouble:
        sys.exit(f"with-tidings: {trouble}")


if __name__ == "__main__":
    main()
