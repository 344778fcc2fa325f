#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Holds the laws of the house that a machine can hold.

    check_rooms.py [ROOT]

The rooms, and what each may include, are read from the list under "Rooms, bottom up" in docs/architecture.md: nowhere
else is it written. Complaints, one a line, with file and line:
  - an include of a room that is not listed for the file's own (a front door counts as the rooms it opens)
  - a Linux header outside os/ (law 3)
  - a file in no room, a file whose name says nothing, a missing licence line, a missing or overlong head comment"""
import re
import sys
from pathlib import Path

# Headers that speak to Linux. The C++ library's own (<cerrno>, <csignal>, <ctime>) are not among them.
LINUX_FOLDERS = ("linux/", "sys/", "asm/", "asm-generic/", "netinet/", "net/", "arpa/", "bits/")
LINUX_HEADERS = set(
    """aio.h dirent.h dlfcn.h elf.h err.h execinfo.h fcntl.h ftw.h glob.h grp.h ifaddrs.h libgen.h link.h mntent.h
    mqueue.h netdb.h poll.h pthread.h pty.h pwd.h sched.h semaphore.h signal.h spawn.h stdio_ext.h sysexits.h syslog.h
    termios.h ucontext.h unistd.h utime.h wait.h""".split()
)

# (file, header) -> why this file may nevertheless. An entry that nothing uses any more is a complaint itself.
LINUX_ALLOWED = {
    ("src/worker/main.cpp", "dlfcn.h"): "kin-worker holds nothing of kin: to load it is all that it does",
}

EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "base"}
LICENCE = "SPDX-License-Identifier: BSL-1.0"
HEAD_LINES = 10
SOURCES = {".cpp", ".hpp"}
SCRIPTS = {".py", ".sh", ".cmake"}


def read_rooms(document):
    """The table: room -> the rooms it may include. Each must stand above the room, so there can be no cycle."""
    text = document.read_text(encoding="utf-8")
    section = re.search(r"^## Rooms, bottom up\s*\n.*?```[^\n]*\n(.*?)```", text, re.M | re.S)
    if not section:
        sys.exit(f"{document}: no list of rooms under '## Rooms, bottom up'")
    rooms, complaints = {}, []
    for line in section[1].splitlines():
        entry = re.match(r"^(\w+):([\w ]*)(#.*)?$", line)
        if not entry:
            complaints.append(f"{document}: not 'room: rooms  # what it is': {line}")
            continue
        below = entry[2].split()
        complaints += [
            f"{document}: {entry[1]} lists {room}, which does not stand above it" for room in below if room not in rooms
        ]
        rooms[entry[1]] = set(below)
    return rooms, complaints


class House:
    def __init__(self, root, allowed=None):
        self.root = root
        self.allowed = LINUX_ALLOWED if allowed is None else allowed
        self.used = set()
        self.rooms, self.complaints = read_rooms(root / "docs" / "architecture.md")

    def complain(self, path, line, text):
        self.complaints.append(f"{path.relative_to(self.root)}:{line}: {text}")

    def files(self, *folders):
        for folder in folders:
            for path in sorted((self.root / folder).rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    yield path

    def room_of(self, path):
        """The room a file lies in; None for a front door, include/kin/<noun>.hpp."""
        parts = path.relative_to(self.root).parts
        inner = parts[1:] if parts[0] == "src" else parts[2:]
        return inner[0] if len(inner) > 1 else None

    def target(self, path, kind, name):
        """The file of this house that an include names, or None."""
        places = [self.root / "include", self.root / "src"]
        if kind == '"':
            places.insert(0, path.parent)
        for place in places:
            if (place / name).is_file():
                return (place / name).resolve()
        return None

    def includes(self, path):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            include = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if include:
                yield number, include[1], include[2]

    def opened_by(self, path, seen):
        """Every room that a file of this house opens: its own, or for a front door those behind it."""
        room = self.room_of(path)
        if room is not None:
            return {room}
        seen.add(path)
        rooms = set()
        for _, kind, name in self.includes(path):
            target = self.target(path, kind, name)
            if target and target not in seen:
                rooms |= self.opened_by(target, seen)
        return rooms

    def check_includes(self, path):
        room = self.room_of(path)
        may = None if room is None else self.rooms.get(room, set()) | {room}
        for number, kind, name in self.includes(path):
            target = self.target(path, kind, name)
            if target is None:
                if kind == '"' or name.startswith("kin/"):
                    self.complain(path, number, f"includes {name}, which is not in this house")
                elif room != "os" and (name.startswith(LINUX_FOLDERS) or name in LINUX_HEADERS):
                    key = (str(path.relative_to(self.root)), name)
                    self.used.add(key)
                    if key not in self.allowed:
                        self.complain(path, number, f"includes <{name}>: only os/ touches Linux (law 3)")
            elif may is not None:
                for other in sorted(self.opened_by(target, set()) - may):
                    self.complain(path, number, f"{room} includes {name}, but may not include {other} (law 1)")

    def check_place(self, path):
        room = self.room_of(path)
        if room is not None and room not in self.rooms:
            self.complain(path, 1, f"lies in {room}/, which is no room of docs/architecture.md")
        parts = path.relative_to(self.root).parts
        if parts[0] == "src" and room is None:
            self.complain(path, 1, "lies in no room: src/ has only rooms")

    def check_name(self, path):
        for part in path.relative_to(self.root).parts:
            empty = EMPTY_NAMES & set(re.split(r"[_.\-]", part.lower()))
            if empty:
                self.complain(path, 1, f"'{part}' says nothing: name the noun, design the room (law 7)")

    def check_head(self, path):
        lines = path.read_text(encoding="utf-8").splitlines()
        if not lines or lines[0] != f"// {LICENCE}":
            self.complain(path, 1, f"the first line is not '// {LICENCE}'")
            return
        head = []
        for line in lines[1:]:
            if line.startswith("//"):
                head.append(line)
            elif head or (line.strip() and line.strip() != "#pragma once"):
                break
        if not any(len(line) > 10 for line in head):
            self.complain(path, 2, "no head comment: what is this file, who uses it, which invariant?")
        elif len(head) > HEAD_LINES:
            self.complain(path, 2, f"a head comment of {len(head)} lines; at most {HEAD_LINES}, the rest in docs/")

    def check_licence(self, path):
        if path.suffix in SCRIPTS or path.name in ("CMakeLists.txt", "dev", "run"):
            lines = path.read_text(encoding="utf-8").splitlines()[:2]
            if f"# {LICENCE}" not in lines:
                self.complain(path, 1, f"neither of the first two lines is '# {LICENCE}'")

    def check(self):
        for path in self.files("include", "src"):
            if path.suffix in SOURCES:
                self.check_place(path)
                self.check_head(path)
                self.check_includes(path)
        for path in self.files("include", "src", "tests", "bench", "fuzz", "examples", "tools", "cmake", "docs"):
            self.check_name(path)
            self.check_licence(path)
        for path in (self.root / "CMakeLists.txt", self.root / "dev", self.root / ".ci" / "run"):
            if path.exists():
                self.check_licence(path)
        for file, header in sorted(set(self.allowed) - self.used):
            self.complaints.append(f"tools/check_rooms.py: {file} is allowed <{header}> and does not include it")
        return self.complaints


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    complaints = House(root).check()
    for complaint in complaints:
        print(complaint)
    if complaints:
        print(f"{len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
