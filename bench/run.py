#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs the benchmarks and prints a table of ratios: each figure beside a raw primitive or a peer of the same run.

    ./dev bench [FILTER]        FILTER: a regular expression; only the rows whose name it matches

A program is started only while the machine is quiet, and run again (at most three times) when other processes used
more than 5 % of the processors meanwhile, or when the cores were moved apart or together under it: a virtual machine's
are, and a cache line then takes four times as long, or a quarter. A row that was never measured quietly says so. The report is
build/bench/report.json; report.md beside it is the same as a table for docs/performance.md. The rows, with their
denominators and targets, are bench/rows.json.

Each row says on which cores its two sides run, the value's first where they differ: "two cores": one side of the
exchange is pinned to the first, the other one to the second; "one core": both to the first; "unpinned": wherever the
kernel puts them; "one thread": there is no other one, and it is not pinned. What is constant has none."""
import ctypes
import json
import os
import re
import resource
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
PROGRAMS = os.path.join(ROOT, "build/release/bench")
TICK = os.sysconf("SC_CLK_TCK")
LOUD = 0.05
MOVED = 1.5
# Debian's interpreter where there is one: the peer that its users have.
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable


def busy_seconds():
    with open("/proc/stat") as f:
        v = [int(x) for x in f.readline().split()[1:]]
    return (sum(v[:3]) + sum(v[5:7])) / TICK


def own_seconds():
    r = resource.getrusage(resource.RUSAGE_CHILDREN)
    return r.ru_utime + r.ru_stime


def adopt_orphans():
    """kin's fork server is nobody's child. As a subreaper we count what it used as our own, not as noise."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def reap_orphans():
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass


def wait_until_quiet(limit=30):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        before = busy_seconds()
        time.sleep(0.4)
        if (busy_seconds() - before) / 0.4 / os.cpu_count() < LOUD:
            return


def line():
    """Nanoseconds of a cache line's round trip between the cores, as they lie now."""
    done = subprocess.run(
        [
            os.path.join(PROGRAMS, "queue"),
            "--benchmark_filter=^cache_line",
            "--benchmark_repetitions=3",
            "--benchmark_min_time=0.02",
            "--benchmark_format=json",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=60,
    )
    # Each iteration is a thousand round trips; the least, because others only make it longer.
    times = [b["real_time"] for b in json.loads(done.stdout)["benchmarks"] if b["run_type"] == "iteration"]
    return min(times) / 1000


def run(command, name, lines):
    """(output, quiet?) of the quietest of at most three runs."""
    best = None
    for _ in range(3):
        wait_until_quiet()
        line_before = line()
        busy, own, begin = busy_seconds(), own_seconds(), time.monotonic()
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=300)
        reap_orphans()
        if done.returncode != 0:
            sys.exit(f"bench: {name} ended with status {done.returncode}")
        wall = time.monotonic() - begin
        others = max(0.0, busy_seconds() - busy - (own_seconds() - own)) / wall / os.cpu_count()
        both = sorted((line_before, line()))
        noise = (both[1] > MOVED * both[0], others)
        if best is None or noise < best[1]:
            best = (done.stdout, noise, both)
        if noise < (False, LOUD):
            break
        if noise[0]:
            print(f"  a cache line took {both[0]:.0f} and {both[1]:.0f} ns before and after it", file=sys.stderr)
        if others >= LOUD:
            print(f"  others used {others:.0%} of the processors meanwhile", file=sys.stderr, flush=True)
    lines += best[2]
    return best[0], best[1] < (False, LOUD)


def measure(program, wanted, report, lines):
    """Nanoseconds by benchmark name: the median of three repetitions."""
    exact = "|".join(re.escape(w) for w in sorted(wanted))
    text, quiet = run(
        [
            os.path.join(PROGRAMS, program),
            f"--benchmark_filter=^({exact})(/|$)",
            "--benchmark_repetitions=3",
            "--benchmark_report_aggregates_only=true",
            "--benchmark_min_time=0.1",
            "--benchmark_format=json",
        ],
        program,
        lines,
    )
    scale = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}
    for b in json.loads(text)["benchmarks"]:
        if b.get("aggregate_name") == "median":
            name = re.sub(r"/(iterations|min_time):[\d.]+", "", b["run_name"]).removesuffix("/real_time").removesuffix("/manual_time")
            report[(program, name)] = (b["real_time"] * scale[b["time_unit"]], quiet)


def measure_peer(group, report, lines):
    text, quiet = run([PYTHON, os.path.join(HERE, "peer_cpython.py"), group], f"CPython, {group}", lines)
    for line in text.splitlines():
        name, value = line.split("\t")
        report[("peer", name)] = (float(value), quiet)


def met(ratio, target):
    relation, limit = target.split()
    return ratio < float(limit) if relation == "<" else ratio <= float(limit)


def show(value, unit):
    return f"{value:,.3g} {unit}" if value < 1000 else f"{value:,.0f} {unit}"


def as_markdown(report):
    lines = ["| row | cores | value | against | its value | ratio | target | |", "|---|---|---:|---|---:|---:|---:|---|"]
    for r in report:
        verdict = {True: "met", False: "**missed**", None: ""}[r["met"]] + ("" if r["quiet"] else " (not quiet)")
        lines.append(
            f"| {r['name']} | {r['cores']} | {show(r['value'], r['unit'])} | {r['against']} "
            f"| {show(r['against_value'], r['unit'])} | {r['ratio']:.3g} | {r['target'] or 'stated'} | {verdict} |"
        )
    return "\n".join(lines) + "\n"


def main():
    with open(os.path.join(HERE, "rows.json")) as f:
        rows = json.load(f)
    if silent := [r["name"] for r in rows if "cores" not in r]:
        sys.exit(f"bench: these rows do not say on which cores they run: {silent}")
    if len(sys.argv) > 1:
        rows = [r for r in rows if re.search(sys.argv[1], r["name"])]
    if not rows:
        sys.exit("bench: no row has a name like that; bench/rows.json lists them")
    wanted, peers = {}, set()
    for r in rows:
        wanted.setdefault(r["program"], set()).add(r["value"])
        if "peer" in r:
            peers.add(r["peer"])
        else:
            wanted[r["program"]].add(r["against"])

    adopt_orphans()
    measured, lines = {}, []
    for program in wanted:
        print(f"measuring {program} …", file=sys.stderr, flush=True)
        measure(program, wanted[program], measured, lines)
    for group in sorted(peers):
        print(f"measuring CPython, {group} …", file=sys.stderr, flush=True)
        measure_peer(group, measured, lines)

    report, unmeasured = [], 0
    # Counts are told as time, a byte or a descriptor a nanosecond: bench/footprint.cpp.
    divide = {"ns": 1, "us": 1e3, "ms": 1e6, "KiB": 1024, "pages": 4096, "fds": 1}
    for r in rows:
        if "peer" not in r and (r["program"], r["against"]) not in measured:
            print(f"  {r['name']}: {r['against_name']} is not installed here", file=sys.stderr)
            continue
        of, beside = (r["program"], r["value"]), ("peer" if "peer" in r else r["program"], r["against"])
        if of not in measured or beside not in measured:
            print(f"{r['name']}: not measured: {[m for m in (of, beside) if m not in measured]}", file=sys.stderr)
            unmeasured += 1
            continue
        (value, quiet), (against, quiet_too) = measured[of], measured[beside]
        value /= r.get("per", 1)
        against /= r.get("against_per", r.get("per", 1))
        ratio = value / against
        d = divide[r["unit"]]
        report.append(
            {
                "name": r["name"],
                "cores": r["cores"],
                "value": value / d,
                "unit": r["unit"],
                "against": r["against_name"],
                "against_value": against / d,
                "ratio": ratio,
                "target": r.get("target"),
                "met": met(ratio, r["target"]) if "target" in r else None,
                "quiet": quiet and quiet_too,
            }
        )
    os.makedirs(os.path.join(ROOT, "build/bench"), exist_ok=True)
    path = os.path.join(ROOT, "build/bench/report.json")
    with open(path, "w") as f:
        json.dump(report, f, indent=1)

    with open(os.path.join(ROOT, "build/bench/report.md"), "w") as f:
        f.write(as_markdown(report))

    widest = {k: max(len(r[k]) for r in report) for k in ("name", "cores", "against")}
    widths = [widest["name"], widest["cores"], 12, widest["against"], 12, 9, 10]
    head = ["row", "cores", "value", "against", "its value", "ratio", "target"]
    print("  ".join(h.ljust(w) for h, w in zip(head, widths)))
    for r in report:
        verdict = {True: "met", False: "MISSED", None: ""}[r["met"]]
        cells = [
            r["name"],
            r["cores"],
            show(r["value"], r["unit"]),
            r["against"],
            show(r["against_value"], r["unit"]),
            f"{r['ratio']:.3g}x",
            r["target"] or "stated",
        ]
        noise = "" if r["quiet"] else "  (not quiet)"
        print("  ".join(c.ljust(w) for c, w in zip(cells, widths)), f" {verdict}{noise}")
    missed = sum(r["met"] is False for r in report)
    print(f"a cache line's round trip took {min(lines):.0f} to {max(lines):.0f} ns before and after the programs")
    print(f"{len(report)} rows, {missed} missed; report: {os.path.relpath(path, ROOT)}")
    if unmeasured:
        sys.exit(f"bench: {unmeasured} rows could not be measured")


if __name__ == "__main__":
    main()
