#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""A check that never complains is none: each law is broken once in a house of cards, and must be noticed."""
import importlib.util
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("check_rooms", ROOT / "tools" / "check_rooms.py")
check_rooms = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check_rooms)

TABLE = """# Architecture
## Rooms, bottom up
```
core:                # nothing below
os: core             # Linux
queue: core os       # one floor with pool
pool: core os
```
"""
HEAD = "// SPDX-License-Identifier: BSL-1.0\n// thing: it is here to be checked.\n"


class CheckRooms(unittest.TestCase):
    def complaints(self, files, table=TABLE, allowed=None):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder).resolve()
            for name, text in {"docs/architecture.md": table, **files}.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text, encoding="utf-8")
            return check_rooms.House(root, allowed or {}).check()

    def assert_one(self, part, files, **options):
        found = self.complaints(files, **options)
        self.assertEqual(len(found), 1, found)
        self.assertIn(part, found[0])

    def test_a_house_in_order_is_accepted(self):
        found = self.complaints({
            "include/kin/core/error.hpp": HEAD + "#pragma once\n#include <cerrno>\n",
            "include/kin/pool/pool.hpp": HEAD + "#include <kin/core/error.hpp>\n",
            "include/kin/pool.hpp": HEAD + "#include <kin/pool/pool.hpp>\n",
            "src/os/fd.hpp": HEAD + "#include <unistd.h>\n",
            "src/pool/worker.cpp": HEAD + '#include "pool/worker.hpp"\n#include "os/fd.hpp"\n',
            "src/pool/worker.hpp": HEAD,
        })
        self.assertEqual(found, [])

    def test_upward(self):
        self.assert_one("core includes os/fd.hpp", {
            "src/os/fd.hpp": HEAD,
            "src/core/error.cpp": HEAD + '#include "os/fd.hpp"\n'})

    def test_sideways(self):
        self.assert_one("pool includes kin/queue/queue.hpp", {
            "include/kin/queue/queue.hpp": HEAD,
            "src/pool/worker.cpp": HEAD + "#include <kin/queue/queue.hpp>\n"})

    def test_sideways_through_a_front_door(self):
        self.assert_one("may not include queue", {
            "include/kin/queue/queue.hpp": HEAD,
            "include/kin/queue.hpp": HEAD + "#include <kin/queue/queue.hpp>\n",
            "src/pool/worker.cpp": HEAD + "#include <kin/queue.hpp>\n"})

    def test_linux_outside_os(self):
        self.assert_one("only os/ touches Linux", {"src/pool/worker.cpp": HEAD + "#include <sys/mman.h>\n"})

    def test_linux_with_a_reason(self):
        allowed = {("src/pool/worker.cpp", "poll.h"): "a reason"}
        self.assertEqual(self.complaints({"src/pool/worker.cpp": HEAD + "#include <poll.h>\n"}, allowed=allowed), [])

    def test_a_reason_that_nothing_uses(self):
        self.assert_one("does not include it", {"src/pool/worker.cpp": HEAD},
                        allowed={("src/pool/worker.cpp", "poll.h"): "a reason"})

    def test_an_unknown_room(self):
        self.assert_one("is no room", {"src/cellar/wine.cpp": HEAD})

    def test_no_room(self):
        self.assert_one("lies in no room", {"src/loose.cpp": HEAD})

    def test_an_include_that_leads_nowhere(self):
        self.assert_one("not in this house", {"src/pool/worker.cpp": HEAD + '#include "pool/gone.hpp"\n'})

    def test_a_name_that_says_nothing(self):
        self.assert_one("says nothing", {"src/pool/string_utils.cpp": HEAD})

    def test_no_licence(self):
        self.assert_one("the first line", {"src/pool/worker.cpp": "// worker: runs tasks.\n"})

    def test_no_head_comment(self):
        self.assert_one("no head comment", {"src/pool/worker.cpp": HEAD.splitlines()[0] + "\n#include <vector>\n"})

    def test_a_head_comment_too_long(self):
        self.assert_one("a head comment of 11", {"src/pool/worker.cpp": HEAD + "// and on and on\n" * 10})

    def test_a_script_without_licence(self):
        self.assert_one("neither of the first two lines", {"tools/thing.py": "print()\n"})

    def test_a_table_that_is_not_bottom_up(self):
        self.assert_one("does not stand above it", {}, table=TABLE.replace("core:     ", "core: pool"))


if __name__ == "__main__":
    unittest.main()
