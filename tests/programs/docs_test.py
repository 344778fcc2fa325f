#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The C++ in the README and the guides compiles: docs_test.py COMPILER SOURCE_DIR

A block with a main() is a program as it stands. Any other is statements, in a function after the names that its page
takes for granted, which are below.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

PRELUDE = """
#include <kin/kin.hpp>
#include <algorithm>
#include <iostream>
#include <mutex>
#include <ranges>
#include <string>
#include <vector>
using namespace std::chrono_literals;
"""
CONTEXT = {
    "README.md": """
        struct account { double total = 0; };
        void greet(const std::string&); std::vector<int> load(); void use(const std::vector<int>&);
        int parse(const std::string&); inline std::string path; void serve(kin::connection); inline std::vector<int> range;
        void consume(const kin::queue<std::string>&); int f(int); void print(int); void report(const std::exception&);
        void register_me(kin::list_proxy<std::string>, kin::dict_proxy<std::string, int>);
        void fill(kin::value<int>, kin::value<account>, kin::array<double>, kin::shared_dict<std::string, double>);
        double work_on(const std::vector<double>&); inline std::vector<double> data;
        void step(kin::mutex, kin::event);""",
    "docs/guide/manager.md": "extern kin::manager& m;",
    "docs/guide/pool.md": """
        int parse(const std::string&); inline std::string path; inline std::vector<std::string> paths;
        inline auto endless = std::views::iota(0) | std::views::transform([](int n) { return std::to_string(n); });
        void use(int);""",
    "docs/guide/process.md": """
        void greet(const std::string&); void use(const std::vector<double>&); void work(); void crash();""",
    "docs/guide/sync.md": "extern kin::mutex m; inline int state; void change(int&); void repair(int&);",
}


def blocks(page):
    return re.findall(r"```cpp\n(.*?)```", page.read_text(), re.DOTALL)


def main():
    compiler, source = sys.argv[1], pathlib.Path(sys.argv[2])
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for page in [source / "README.md", *sorted((source / "docs/guide").glob("*.md"))]:
            name = str(page.relative_to(source))
            fragments = PRELUDE + CONTEXT.get(name, "")
            programs = []
            for number, block in enumerate(blocks(page)):
                if re.search(r"^int main\(", block, re.MULTILINE):
                    programs.append(block)
                else:
                    fragments += f'\n#line 1 "{name}, block {number + 1}"\nvoid block_{number}() {{\n{block}}}\n'
            for number, text in enumerate([fragments, *programs]):
                file = pathlib.Path(folder) / f"{number}.cpp"
                file.write_text(text)
                done = subprocess.run(
                    [compiler, "-std=c++20", "-fsyntax-only", "-w", f"-I{source / 'include'}", file],
                    capture_output=True, text=True)
                if done.returncode != 0:
                    failed = True
                    print(f"{name}{', program ' + str(number) if number else ''}:\n{done.stderr}")
    return 1 if failed else 0


sys.exit(main())
