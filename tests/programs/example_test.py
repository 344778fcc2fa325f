#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs one example and compares what it says with expected/NAME.txt; nothing of it is left behind.

    example_test.py PROGRAM SOURCE NAME
"""
import sys
from pathlib import Path

import watched

program, source, name = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
expected = (Path(__file__).parent / "expected" / f"{name}.txt").read_text()
done = watched.run([program])
if done.status != 0 or done.out != expected or done.err:
    sys.exit(f"{name}: exit {done.status}\nstdout:\n{done.out}\nstderr:\n{done.err}\nexpected:\n{expected}")
lines = len(source.read_text().splitlines())
if lines > 40:
    sys.exit(f"{name}: {lines} lines; an example has at most 40")
if done.left_behind:
    sys.exit(f"{name}: left processes behind: {done.left_behind}")
