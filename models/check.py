#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Checks the Promela models with spin: each as it is, whole state space, and each mutant, which must be found wrong.

    python3 models/check.py SPIN COMPILER"""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
KILLED = ["KILL"]
COPIED = ["KILL", "COPY", "MESSAGES=3"]
RIGHT = [[], KILLED, COPIED]
WRONG = [
    ["NO_BARRIER"],
    ["NO_LAST_LOOK"],
    ["NO_END"],
    ["LAST_LOOK_AT_HEAD"],
    ["CLEARED_BLINDLY"],
    [*COPIED, "TAIL_BELIEVED"],
    [*COPIED, "RINGING_IGNORED"],
]


def is_right(spin, compiler, model, defined):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([spin, *("-D" + d for d in defined), "-a", model], cwd=folder, check=True)
        subprocess.run([compiler, "-xc", "-O1", "-w", "-DSAFETY", "-o", "pan", "pan.c"], cwd=folder, check=True)
        done = subprocess.run(["./pan", "-m1000000"], cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
    if "max search depth too small" in done.stdout:
        sys.exit("models: the search was cut short")
    states = next(line.split()[0] for line in done.stdout.splitlines() if "states, stored" in line)
    errors = int(done.stdout.split("errors:")[1].split()[0])
    print(f"{os.path.basename(model)} {' '.join(defined) or 'as it is'}: {states} states, {errors} errors")
    return errors == 0


def main():
    spin, compiler = sys.argv[1:3]
    model = os.path.join(HERE, "ring_bell.pml")
    bad = [d for d in RIGHT if not is_right(spin, compiler, model, d)]
    missed = [d for d in WRONG if is_right(spin, compiler, model, d)]
    if bad or missed:
        sys.exit(f"models: wrong: {bad}; mutants that were not found: {missed}")


if __name__ == "__main__":
    main()
