#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs one example and compares what it says with expected/NAME.txt; nothing of it is left behind.

    example_test.py PROGRAM SOURCE NAME
"""
import os
import subprocess
import sys
from pathlib import Path

program, source, name = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
expected = (Path(__file__).parent / "expected" / f"{name}.txt").read_text()
done = subprocess.run([program], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
if done.returncode != 0 or done.stdout != expected or done.stderr:
    sys.exit(f"{name}: exit {done.returncode}\nstdout:\n{done.stdout}\nstderr:\n{done.stderr}\nexpected:\n{expected}")
lines = len(source.read_text().splitlines())
if lines > 40:
    sys.exit(f"{name}: {lines} lines; an example has at most 40")


def image(process: Path) -> str:
    try:
        return os.readlink(process / "exe")
    except OSError:  # another user's, or gone by now
        return ""


left = [p.name for p in Path("/proc").glob("[0-9]*") if image(p) == str(program.resolve())]
if left:
    sys.exit(f"{name}: left processes behind: {left}")
