# SPDX-License-Identifier: BSL-1.0
"""Every mutant is in a source that one of the programs of tests/faults compiles with mutants, and a test breaks it; and
every mutant that a test names exists. A source that was split and not listed would hide its mutants: nobody would ask
for them, and what was not broken is not caught."""

import fnmatch
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]
faults = root / "tests" / "faults"


def comment_free(text, mark):
    return re.sub(rf"^\s*{mark}.*$", "", text, flags=re.M)


def compiled_with_mutants():
    """Patterns of sources, relative to the project, of the targets that define KIN_MUTANTS."""
    text = comment_free((faults / "CMakeLists.txt").read_text(), "#")
    variables = dict(re.findall(r'set\((\w+) "([^"]+)"\)', text))
    for name, pattern in re.findall(r'file\(GLOB (\w+) CONFIGURE_DEPENDS "([^"]+)"\)', text):
        variables[name] = pattern
    patterns = set()
    for target, sources in re.findall(r"add_executable\(\s*(\w+)\s+([^)]*)\)", text):
        if not re.search(rf"target_compile_definitions\({target} PRIVATE KIN_MUTANTS\)", text):
            continue
        for name, value in variables.items():
            sources = sources.replace(f"${{{name}}}", value)
        patterns.update(p.replace("${PROJECT_SOURCE_DIR}/", "") for p in re.findall(r'[^\s"]+', sources))
    return patterns


def main():
    faulty = []
    patterns = compiled_with_mutants()
    asked = {}  # mutant: where
    for source in sorted((root / "src").rglob("*.[ch]pp")):
        for name in re.findall(r'\bmutant\("([^"]+)"\)', source.read_text()):
            asked.setdefault(name, []).append(source.relative_to(root))
    tested = {}
    for test in sorted(faults.glob("*_mutants_test.cpp")):
        for name in re.findall(r'^\s*\{"([^"]+)",', test.read_text(), flags=re.M):
            tested.setdefault(name, test.relative_to(root))

    for name, sources in asked.items():
        # A header is compiled with whoever includes it.
        if not any(s.suffix == ".hpp" or any(fnmatch.fnmatch(str(s), p) for p in patterns) for s in sources):
            faulty.append(f'{sources[0]}: nothing in tests/faults compiles this with mutants, and it asks for "{name}"')
        if name not in tested:
            faulty.append(f'{sources[0]}: no test breaks "{name}"')
    faulty += [f'{test}: no source asks for "{name}"' for name, test in tested.items() if name not in asked]
    if not asked or not tested or not patterns:
        faulty.append("found none at all: does this still read what it is about?")
    print("\n".join(faulty) or f"{len(asked)} mutants")
    return 1 if faulty else 0


sys.exit(main())
