#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs wordcount on directories made for it, good ones and bad ones.

    wordcount_test.py PROGRAM [unittest's arguments]"""
import collections
import functools
import os
import pathlib
import pty
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import xml.etree.ElementTree as ElementTree

import watched

PROGRAM = os.path.abspath(sys.argv.pop(1))
SVG = "{http://www.w3.org/2000/svg}"
WORD = re.compile(r"[^\W\d]\w*")
ROW = re.compile(r" +\d+  (\S+) +([\d,]+) +[\d.]+%")


def table(out):
    return [(word, int(times.replace(",", ""))) for word, times in map(re.Match.groups, map(ROW.match, rows(out)))]


def rows(out):
    return [line for line in out.splitlines() if ROW.match(line)]


def most_frequent(text):
    counts = collections.Counter(WORD.findall(text.lower()))
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0].encode()))[:20]


@functools.cache
def some_text(words, seed=1):
    chosen = random.Random(seed)
    vocabulary = [f"word{i}" for i in range(400)] + ["The", "the", "naïve", "Straße", "数据", "x_1"]
    return "".join(chosen.choice(vocabulary) + chosen.choice([" ", ", ", "\n", " 42 ", "/"]) for _ in range(words))


class Wordcount(unittest.TestCase):
    def setUp(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="kin-wordcount-"))
        self.addCleanup(shutil.rmtree, folder)
        self.tree, self.here = folder / "tree", folder / "here"
        self.tree.mkdir()
        self.here.mkdir()

    def write(self, name, text):
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def count(self, *arguments, status=0):
        done = watched.run([PROGRAM, *map(str, arguments)], cwd=self.here)
        self.assertEqual(done.status, status, done.out + done.err)
        self.assertEqual(done.left_behind, [])
        return done

    def tasks(self):
        """The picture's tasks, by run: many workers first, then one."""
        drawing = ElementTree.parse(self.here / "timeline.svg").getroot()
        groups = drawing.findall(f"{SVG}g[@class='run']")
        return [group.findall(f"{SVG}rect[@class='task']") for group in groups]

    # --- what is counted -------------------------------------------------------------------------------------------
    def test_counts_what_python_counts(self):
        texts = {f"{i % 7}/{i}.txt": some_text(300, seed=i) for i in range(150)}
        for name, text in texts.items():
            self.write(name, text)
        self.write("empty.txt", "")
        done = self.count(self.tree, "--workers", 3)
        self.assertEqual(table(done.out), most_frequent("\n".join(texts.values())))
        self.assertIn("151 files of text", done.out)
        self.assertRegex(done.out, r"(?m)^1 worker: .* MB/s$")
        self.assertRegex(done.out, r"(?m)^3 workers: .* MB/s, [\d.]+ times as fast")
        self.assertEqual(done.err, "")
        runs = self.tasks()
        self.assertEqual(len(runs), 2)
        for run in runs:  # each task names its first file and counts the others
            files = [re.search(r"(?: and (\d+) more)?, [\d.]+ MB, ", bar.find(f"{SVG}title").text)[1] for bar in run]
            self.assertEqual(sum(1 + int(more or 0) for more in files), 150)

    def test_counts_each_word_of_a_large_file_once(self):
        text = some_text(1_250_000)
        self.write("large.txt", text)
        done = self.count(self.tree, "--workers", 3)
        self.assertEqual(table(done.out), most_frequent(text))
        self.assertEqual(len(self.tasks()), 2)
        self.assertGreater(len(self.tasks()[0]), 3)

    def test_one_worker_has_no_rival(self):
        self.write("a", "one two two")
        done = self.count(self.tree, "--workers=1")
        self.assertEqual(table(done.out), [("two", 2), ("one", 1)])
        self.assertNotIn("times as fast", done.out)
        self.assertEqual(len(self.tasks()), 1)

    def test_lines_up_words_of_any_script(self):
        self.write("a", "数据" * 30 + " plain " * 3 + "文 " * 2 + "café\n")
        done = self.count(self.tree)
        self.assertIn(("plain", 3), table(done.out))
        columns = {sum(2 if ord(c) > 0x2e80 and ord(c) < 0xffff else 1 for c in row.split("%")[0]) for row in rows(done.out)}
        self.assertEqual(len(columns), 1, done.out)

    # --- what is not -----------------------------------------------------------------------------------------------
    def test_names_what_it_skips(self):
        self.write("good.txt", "fine fine")
        self.write("program.bin", b"fine\0fine")
        self.write("latin.txt", b"fine caf\xe9 fine")  # no UTF-8, and still words
        (self.tree / "gone").symlink_to("nowhere")
        (self.tree / "circle").symlink_to("circle")
        (self.tree / "up").symlink_to(self.tree)
        (self.tree / "folder.txt").mkdir()
        os.mkfifo(self.tree / "fifo")
        done = self.count(self.tree)
        self.assertEqual(table(done.out), [("fine", 4), ("caf", 1)])
        skipped = dict(line.removeprefix("wordcount: skipped ").split(": ", 1) for line in done.err.splitlines())
        self.assertEqual(skipped, {
            str(self.tree / "program.bin"): "binary",
            str(self.tree / "gone"): "No such file or directory",
            str(self.tree / "circle"): "Too many levels of symbolic links",
            str(self.tree / "fifo"): "neither a file nor a directory",
        })

    def test_names_what_it_may_not_read(self):
        self.write("good.txt", "fine")
        self.write("secret.txt", "hidden").chmod(0)
        self.write("cellar/deep.txt", "hidden")
        (self.tree / "cellar").chmod(0)
        self.addCleanup((self.tree / "cellar").chmod, 0o755)
        options = {}
        if os.geteuid() == 0:  # may read everything
            options["user"] = 65534
            for folder in (self.tree, self.here, self.tree.parent):
                folder.chmod(0o777)
            try:
                subprocess.run([PROGRAM, "--help"], stdout=subprocess.DEVNULL, check=True, **options)
            except OSError:
                self.skipTest("another user cannot run the program where it lies")
        done = watched.run([PROGRAM, self.tree], cwd=self.here, **options)
        self.assertEqual(done.status, 0, done.err)
        self.assertEqual(table(done.out), [("fine", 1)])
        self.assertEqual(sorted(done.err.splitlines()), [
            f"wordcount: skipped {self.tree}/cellar: Permission denied",
            f"wordcount: skipped {self.tree}/secret.txt: Permission denied"])

    def test_survives_files_that_vanish(self):
        paths = [self.write(f"{i % 20}/{i}", some_text(200, seed=i)) for i in range(1500)]
        victims = paths[1::2]
        remover = threading.Thread(target=lambda: [path.unlink() or time.sleep(0.0003) for path in victims])
        remover.start()
        done = self.count(self.tree, "--workers", 2)
        remover.join()
        names = {str(path) for path in victims}
        for line in done.err.splitlines():
            name, reason = line.removeprefix("wordcount: skipped ").split(": ", 1)
            self.assertIn(name, names)
            self.assertEqual(reason, "No such file or directory")

    def test_draws_and_prints_names_of_any_bytes(self):
        strange = os.fsdecode(b'<&">\xff\n\x1b[2J')
        self.write(f"{strange}/a", "one")
        self.write(f"{strange}/b", b"\0")
        done = self.count(self.tree)
        self.assertEqual([len(run) for run in self.tasks()].pop(), 1)
        self.assertIn('<&">???[2J/b: binary', done.err)

    # --- what is refused -------------------------------------------------------------------------------------------
    def test_refuses_what_it_cannot_do(self):
        text = self.write("a", "one")
        for arguments, sentence in [
                ((self.tree / "no",), f"{self.tree}/no: No such file or directory"),
                ((text,), f"{text}: not a directory"),
                ((self.tree, "--workers", "0"), '--workers takes a number from 1 to 500, not "0"'),
                ((self.tree, "--workers", "-1"), '--workers takes a number from 1 to 500, not "-1"'),
                ((self.tree, "--workers", "abc"), '--workers takes a number from 1 to 500, not "abc"'),
                ((self.tree, "--workers=2x"), '--workers takes a number from 1 to 500, not "2x"'),
                ((self.tree, "--workers", "99999999999999999999"), "--workers takes a number from 1 to 500"),
                ((self.tree, "--workers"), "--workers takes a number from 1 to 500"),
                ((self.tree, "--fast"), "there is no option --fast"),
                ((self.tree, self.here), "one directory at a time"),
                (("",), "No such file or directory")]:
            with self.subTest(arguments=arguments):
                done = self.count(*arguments, status=2)
                self.assertEqual(done.out, "")
                self.assertTrue(done.err.startswith("wordcount: "), done.err)
                self.assertIn(sentence, done.err)
                self.assertEqual(done.err.count("\n"), 1)
        self.assertEqual(os.listdir(self.here), [])

    def test_says_so_when_there_is_nothing_to_count(self):
        self.write("data.bin", b"\0\1")
        done = self.count(self.tree, status=1)
        self.assertIn("data.bin: binary\n", done.err)
        self.assertIn(f"wordcount: there is no text below {self.tree}\n", done.err)
        self.assertEqual(done.out, "")

    def test_says_so_when_it_cannot_draw(self):
        self.write("a", "one")
        (self.here / "timeline.svg").mkdir()
        done = self.count(self.tree, status=1)
        self.assertEqual(table(done.out), [("one", 1)])
        self.assertEqual(done.err, "wordcount: could not write timeline.svg here: Is a directory\n")

    def test_explains_itself(self):
        self.assertIn("wordcount [DIRECTORY] [--workers N]", self.count("--help").out)

    # --- what comes between ----------------------------------------------------------------------------------------
    def start_on_much_text(self, files=24):
        first = self.write("0.txt", some_text(250_000).encode())
        for i in range(1, files):
            if not (self.tree / f"{i}.txt").exists():
                os.link(first, self.tree / f"{i}.txt")
        process = watched.start([PROGRAM, str(self.tree), "--workers", "3"], cwd=self.here, start_new_session=True)
        until = time.monotonic() + 60
        while not (workers := watched.children_of(process.pid)):
            self.assertLess(time.monotonic(), until)
            time.sleep(0.005)
        return process, workers

    def test_an_interrupt_ends_it_and_its_workers(self):
        for number, delay in [(signal.SIGINT, 0), (signal.SIGINT, 0.3), (signal.SIGTERM, 0.1)]:
            with self.subTest(number=number, delay=delay):
                # So much that no machine has counted it before the signal comes.
                process, _ = self.start_on_much_text(files=1000)
                time.sleep(delay)
                since = time.monotonic()
                os.killpg(process.pid, number)
                done = watched.finish(process, since)
                self.assertEqual((done.status, done.out, done.err), (128 + number, "", "wordcount: interrupted\n"))
                self.assertLess(done.seconds, 8)
                self.assertEqual(done.left_behind, [])
                self.assertEqual(os.listdir(self.here), [])

    def test_a_killed_worker_costs_nothing(self):
        process, workers = self.start_on_much_text()
        os.kill(workers[0], signal.SIGKILL)
        done = watched.finish(process, time.monotonic())
        self.assertEqual((done.status, done.err), (0, ""), done.out)
        self.assertEqual(done.left_behind, [])
        self.assertEqual(table(done.out), [(word, 24 * times) for word, times in most_frequent(some_text(250_000))])

    def test_shows_a_bar_on_a_terminal_only(self):
        for i in range(30):
            self.write(f"{i}.txt", some_text(20_000))
        self.assertEqual(self.count(self.tree).err, "")
        ours, its = pty.openpty()
        process = subprocess.Popen([PROGRAM, self.tree], cwd=self.here, stdout=subprocess.DEVNULL, stderr=its)
        os.close(its)
        shown = b""
        while True:
            try:
                shown += os.read(ours, 4096)
            except OSError:
                break
        os.close(ours)
        self.assertEqual(process.wait(), 0)
        self.assertRegex(shown.decode(), r"counted by .*\] 100 %.*/s")


if __name__ == "__main__":
    unittest.main()
