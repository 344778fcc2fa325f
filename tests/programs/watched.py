# SPDX-License-Identifier: BSL-1.0
"""Runs a program and finds what it leaves behind."""
import ctypes
import os
import subprocess
import time

PR_SET_CHILD_SUBREAPER = 36
# What a program leaves running when it ends becomes a child of this process, and can be seen.
if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
    raise OSError(ctypes.get_errno(), "prctl")


class Outcome:
    def __init__(self, process, seconds):
        self.status = process.returncode
        self.out, self.err = process.output
        self.seconds = seconds
        self.left_behind = left_behind()


def left_behind(patience=8.0):
    """Processes of a program that has ended, and run still when they have had time to see it."""
    until = time.monotonic() + patience
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return []
        if pid == 0:
            if time.monotonic() > until:
                return children_of(os.getpid())
            time.sleep(0.01)


def children_of(pid):
    """The pids of its children, and theirs."""
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as children:
            for child in map(int, children.read().split()):
                found += [child, *children_of(child)]
    return found


def start(command, **options):
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            **options)


def finish(process, since, timeout=120):
    process.output = process.communicate(timeout=timeout)
    return Outcome(process, time.monotonic() - since)


def run(command, **options):
    since = time.monotonic()
    return finish(start(command, **options), since)
