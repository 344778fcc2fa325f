#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Checks the Promela models with spin: each as it is, whole state space, and each mutant, which must be found wrong.

    python3 models/check.py SPIN COMPILER MODEL"""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
KILLED = ["KILL"]
COPIED = ["KILL", "COPY", "MESSAGES=3"]
THREE = ["FIRST=1", "SECOND=1", "THIRD=1"]
RIGHT = {
    "ring_bell": [[], KILLED, COPIED],
    "queue": [[], KILLED, ["KILL_CONSUMER"]],
    "turn": [[], [*KILLED, "SECOND=1"], [*KILLED, "FIRST=1"]],
    "bell": [[], ["FIRST=1", "SECOND=1"], KILLED],
    "object_life": [[], KILLED, ["LATE"]],
    "condition_variable": [["OLD=1"], [], ["NOTIFICATIONS=2"]],
}
WRONG = {
    "ring_bell": [
        ["NO_BARRIER"],
        ["NO_LAST_LOOK"],
        ["NO_END"],
        ["LAST_LOOK_AT_HEAD"],
        ["CLEARED_BLINDLY"],
        ["NO_FENCE"],
        ["STILL_SETTLED"],
        ["CLEARED_LATE"],
        [*COPIED, "TAIL_BELIEVED"],
        [*COPIED, "RINGING_IGNORED"],
    ],
    "queue": [
        ["NO_BARRIER"],
        ["NO_LAST_LOOK"],
        ["TURN_NOT_RUNG"],
        [*KILLED, "COMMITTED_FIRST"],
        [*KILLED, "LEDGER_LATE"],
        [*KILLED, "NO_TAKE_OVER"],
        [*KILLED, "DEATH_NOT_ANNOUNCED"],
    ],
    "turn": [
        ["NO_BARRIER"],
        ["NO_SECOND_LOOK"],
        ["SEAT_NOT_WAITED_FOR"],
        ["SEAT_NOT_RUNG"],
        ["NOT_REVOKED"],
        [*THREE, "ONE_RUNG"],
        [*KILLED, "FIRST=1", "DEAD_SEAT_OCCUPIED"],
        [*THREE, "KILL", "REVOKED_FORGOTTEN"],
    ],
    "object_life": [
        ["NO_FIRST_LOOK"],
        ["NO_LISTS"],
        ["NO_SECOND_LOOK"],
        ["LATE", "NO_LAST_LOOK"],
        ["LATE", "NO_FENCE"],
        ["ENTERED_LATE"],
        ["GIVEN_UP_EARLY"],
        ["NO_TRANSFERS"],
    ],
    "condition_variable": [["NO_HOLD_UP"], ["NO_LAST_LOOK"], ["RUNG_FIRST"]],
    "bell": [["NO_BARRIER"], ["NO_FENCE"], [*KILLED, "SETTLED_EARLY"], ["SETTLED_KEPT"], ["NO_LAST_LOOK"]],
}


def is_right(spin, compiler, model, defined):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([spin, *("-D" + d for d in defined), "-a", model], cwd=folder, check=True)
        subprocess.run([compiler, "-xc", "-O1", "-w", "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c"], cwd=folder, check=True)
        done = subprocess.run(["./pan", "-m1000000"], cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
    if "max search depth too small" in done.stdout:
        sys.exit("models: the search was cut short")
    states = next(line.split()[0] for line in done.stdout.splitlines() if "states, stored" in line)
    errors = int(done.stdout.split("errors:")[1].split()[0])
    print(f"{os.path.basename(model)} {' '.join(defined) or 'as it is'}: {states} states, {errors} errors", flush=True)
    return errors == 0


def main():
    spin, compiler, name = sys.argv[1:4]
    model = os.path.join(HERE, name + ".pml")
    bad = [d for d in RIGHT[name] if not is_right(spin, compiler, model, d)]
    missed = [d for d in WRONG[name] if is_right(spin, compiler, model, d)]
    if bad or missed:
        sys.exit(f"models: wrong: {bad}; mutants that were not found: {missed}")


if __name__ == "__main__":
    main()
