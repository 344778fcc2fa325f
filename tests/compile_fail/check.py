#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Compiles one wrong use of kin and checks what the compiler says about it.

    check.py COMPILER CASE.cpp [FLAG...]

The case holds comments of these forms:
    // expect: kin: a capturing lambda cannot     text that the errors must contain (line ends and quotes are evened out)
    // expect-gcc: ...    // expect-clang: ...    the same for one compiler
    // errors: 1                                  exactly so many errors
Without any "expect" a case is refused: a test that any typing error passes is none."""
import os
import re
import subprocess
import sys


def even(text):
    for quote in "‘’“”`\"":
        text = text.replace(quote, "'")
    return " ".join(text.split())


def main():
    compiler, case, flags = sys.argv[1], sys.argv[2], sys.argv[3:]
    kind = "clang" if "clang" in os.path.basename(compiler) else "gcc"
    with open(case, encoding="utf-8") as file:
        source = file.read()
    expected = re.findall(rf"^//\s*expect(?:-{kind})?:\s*(.+?)\s*$", source, re.M)
    errors = re.search(r"^//\s*errors:\s*(\d+)\s*$", source, re.M)
    if not expected:
        return f"{case} has no line '// expect: ...' for {kind}"

    command = [compiler, "-std=c++20", "-fsyntax-only", "-fdiagnostics-color=never", *flags, case]
    command.insert(1, "-fmessage-length=0")
    run = subprocess.run(command, env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True, errors="replace")
    found = re.findall(r"(?:fatal )?error: .*", run.stderr)
    problems = []
    if run.returncode == 0:
        problems.append("it compiles, and should not")
    elif run.returncode < 0 or "internal compiler error" in run.stderr:
        problems.append("the compiler itself failed")
    said = even("\n".join(found))
    for sentence in expected:
        if run.returncode != 0 and even(sentence) not in said:
            problems.append(f"no error says: {sentence}")
    if errors and len(found) != int(errors[1]):
        problems.append(f"{len(found)} errors instead of {errors[1]}")
    if problems:
        return f"{case}: " + "; ".join(problems) + "\n" + " ".join(command) + "\n" + run.stderr[-6000:]
    print("refused as it should be:\n" + "\n".join(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
