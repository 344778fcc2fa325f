#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""tidy.py BUILD [REGEX]: clang-tidy over the sources of BUILD/compile_commands.json that REGEX matches, two or more at
once. Used by ./dev lint.

clang-tidy looks at every declaration of every header anew for each source, which takes ten seconds and more. So a
source that was found clean is not looked at again until something changes: it, a header, its flags, .clang-tidy or
clang-tidy itself. BUILD/clean/ has an empty file for each such state."""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

TIDY = "clang-tidy-16"
NOISE = re.compile(r"^(\d+ warnings? (generated|treated)|Suppressed \d+ warnings?|Use -header-filter)")


def state_of(command, common):
    """What clang-tidy's answer depends on: all that the compiler reads, comments (NOLINT) included."""
    arguments = shlex.split(command["command"]) if "command" in command else list(command["arguments"])
    arguments = [a for i, a in enumerate(arguments) if a not in ("-c", "-o") and arguments[i - 1] != "-o"]
    text = subprocess.run([*arguments, "-E", "-CC", "-o", "-"], cwd=command["directory"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=True).stdout
    return hashlib.sha256(common + " ".join(arguments).encode() + text).hexdigest()


def look_at(command, build, common):
    """Returns what there is to complain about, and how long it took; None where nothing has changed."""
    try:
        clean = build / "clean" / state_of(command, common)
    except subprocess.CalledProcessError:
        clean = None  # clang-tidy says why it does not compile
    if clean and clean.exists():
        return "", None
    began = time.monotonic()
    run = subprocess.run([TIDY, "-p", str(build), "--quiet", command["file"]], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, check=False)
    said = "\n".join(line for line in run.stdout.splitlines() if not NOISE.match(line))
    if run.returncode == 0 and clean:
        clean.touch()
    elif run.returncode != 0 and not said:
        said = f"{command['file']}: {TIDY} ended with status {run.returncode}"
    return said if run.returncode != 0 else "", time.monotonic() - began


def main():
    build, wanted = pathlib.Path(sys.argv[1]).resolve(), re.compile(sys.argv[2] if len(sys.argv) > 2 else ".")
    commands = [c for c in json.loads((build / "compile_commands.json").read_text()) if wanted.search(c["file"])]
    if not commands:
        sys.exit(f"no source matches {wanted.pattern}")
    (build / "clean").mkdir(exist_ok=True)
    version = subprocess.run([TIDY, "--version"], stdout=subprocess.PIPE, check=True).stdout
    common = version + pathlib.Path(".clang-tidy").read_bytes()
    failed, looked, began = 0, 0, time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for said, seconds in pool.map(lambda c: look_at(c, build, common), commands):
            looked += seconds is not None
            if said:
                failed += 1
                print(said, flush=True)
    print(f"clang-tidy: {len(commands)} sources, {looked} of them new or changed, {failed} with something to mend; "
          f"{time.monotonic() - began:.0f} s")
    sys.exit(failed != 0)


main()
