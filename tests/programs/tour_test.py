#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs a program of examples/tour beside the lines that its Python original prints, or that it promises itself.

    tour_test.py FOLDER_OF_PROGRAMS FOLDER_OF_SOURCES NAME"""
import re
import sys
from pathlib import Path

import watched

# The most lines of source, the most seconds (the tutorial's sleeps of two seconds really overlap), and how many of the
# last lines have an order.
TOUR = {
    "process": (40, 3.5, 0),
    "process_class": (40, 3.5, 0),
    "queue": (40, 3, 2),
    "pipe": (40, 3, 2),
    "manager": (40, 3, 2),
    "pool_async": (40, 6, 0),
    "pool_map": (40, 6, 8),
    "connection_bytes": (60, 5, 0),
    "queue_bounded": (60, 5, 6),
    "process_control": (60, 5, 0),
    "manager_values": (60, 5, 5),
    "pool_apply": (60, 5, 7),
    "serialisation": (60, 5, 4),
    "shared_value": (40, 3, 1),
}
PID = re.compile(r"(?<=进程ID )\d+|(?<=进程ID:)\d+|(?<=进程的ID:)\d+")
STDERR = {"process_control": "Process thrower:\nstd::runtime_error: no such table\n"}


def check(claim, *evidence):
    if not claim:
        sys.exit("\n".join(map(str, evidence)))


def main(programs, sources, name):
    most_lines, most_seconds, ordered = TOUR[name]
    source = (Path(sources) / f"{name}.cpp").read_text()
    expected = (Path(__file__).parent / "expected" / f"{name}.txt").read_text().splitlines()

    # A busy machine makes anything slow at times; what does not overlap never does.
    for _ in range(3):
        done = watched.run([Path(programs) / name])
        if done.status != 0 or done.seconds < most_seconds:
            break
    lines = PID.sub("PID", done.out).splitlines()
    said = f"it said:\n{done.out}{done.err}"
    check(done.status == 0, f"exit status {done.status};", said)
    check(sorted(lines) == sorted(expected), "other lines than expected;", said)
    check(not ordered or lines[-ordered:] == expected[-ordered:], "another order than expected;", said)
    check(done.err == STDERR.get(name, ""), "not expected on stderr;", said)
    check(done.seconds < most_seconds, f"took {done.seconds:.1f} s, not {most_seconds} s;", said)
    check(not done.left_behind, "left behind:", *done.left_behind)
    check(len(source.splitlines()) <= most_lines, f"more than {most_lines} lines of source")
    if name.startswith("process") and name != "process_control":
        check([line[2:4] for line in lines] == ["开始"] * 2 + ["结束"] * 2, "one after the other;", said)
    if name == "pool_async":
        check(len(set(re.findall(r"ID:(\d+),t[1-5]", done.out))) == 5, "not five workers at once;", said)


main(*sys.argv[1:])
