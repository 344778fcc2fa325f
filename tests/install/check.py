#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Builds kin inside a consumer, installs it from there, and builds consumers of what was installed.

    check.py COMPILER static|shared BUILD_FOLDER

The library is built once, by the add_subdirectory consumer; the find_package and pkg-config consumers use it installed.
clang builds it in batches of files (CMAKE_UNITY_BUILD), as a consumer may who does so with all that is his."""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CMAKE = os.environ.get("CMAKE_COMMAND", "cmake")
# All that libkin.so may need: the C and C++ runtimes.
RUNTIME = re.compile(r"(libc|libm|libgcc_s|libstdc\+\+|ld-linux-[\w-]+)\.so\.\d+$")


def run(*command, fails=False):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if (done.returncode != 0) != fails:
        sys.exit(f"{done.stdout}\n{'should have failed' if fails else f'exit status {done.returncode}'}: "
                 + " ".join(map(str, command)))
    return done.stdout


def configure(source, build, compiler, *options, fails=False):
    launcher = shutil.which("ccache")
    return run(CMAKE, "-G", "Ninja", "-S", HERE / source, "-B", build, f"-DCMAKE_CXX_COMPILER={compiler}",
               f"-DCMAKE_CXX_COMPILER_LAUNCHER={launcher or ''}", "-DCMAKE_BUILD_TYPE=", *options, fails=fails)


def run_programs(build):
    for program in ("program", "program_without_init", "plugin_host"):
        if (build / program).exists():
            run(build / program)
            print(f"runs: {build.name}/{program}")


def check_needed(library):
    dynamic = run("readelf", "--dynamic", library)
    needed = re.findall(r"\(NEEDED\).*\[(.+?)\]", dynamic)
    others = [name for name in needed if not RUNTIME.match(name)]
    if others:
        sys.exit(f"{library} needs {', '.join(others)}; it may need the C and C++ runtimes only")
    print("libkin.so needs:", ", ".join(needed))


def check_pkg_config(prefix, compiler, build):
    (folder,) = {path.parent for path in prefix.rglob("kin.pc")}
    os.environ["PKG_CONFIG_PATH"] = str(folder)
    flags = run("pkg-config", "--cflags", "--libs", "kin").split()
    libraries = next(flag[2:] for flag in flags if flag.startswith("-L"))
    program = build / "program_by_pkg_config"
    # What only optimising compilers warn of comes from kin's templates, in the user's build.
    run(compiler, "-std=c++20", "-O3", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", HERE / "program.cpp", "-o", program, *flags,
        f"-Wl,-rpath,{libraries}")
    run(program)
    print("runs: a program built by pkg-config")


def main():
    compiler, form, build = sys.argv[1], sys.argv[2], Path(sys.argv[3]).resolve()
    prefix = build / "prefix"

    inside = build / "add_subdirectory"
    configure("add_subdirectory", inside, compiler, "-DKIN_INSTALL=ON",
              f"-DBUILD_SHARED_LIBS={'ON' if form == 'shared' else 'OFF'}",
              f"-DCMAKE_UNITY_BUILD={'ON' if 'clang' in Path(compiler).name else 'OFF'}")
    run(CMAKE, "--build", inside, "-j2")
    run_programs(inside)

    shutil.rmtree(prefix, ignore_errors=True)
    run(CMAKE, "--install", inside, "--prefix", prefix)
    if form == "shared":
        check_needed(next(prefix.rglob("libkin.so")))

    outside = build / "find_package"
    configure("find_package", outside, compiler, f"-DCMAKE_PREFIX_PATH={prefix}")
    run(CMAKE, "--build", outside, "-j2")
    run_programs(outside)

    refused = configure("find_package", build / "refused", compiler, f"-DCMAKE_PREFIX_PATH={prefix}",
                        "-DCOMPONENTS=mpi", fails=True)
    if "This kin was built without its optional component 'mpi'." not in " ".join(refused.split()):
        sys.exit(f"{refused}\nthe refusal of a component that was not built does not say so")

    if shutil.which("pkg-config"):
        check_pkg_config(prefix, compiler, build)


if __name__ == "__main__":
    main()
