#!/usr/bin/env python3
"""Checks the public headers: check.py MODE INCLUDE_DIR [NAME...] [-- COMPILER [OPTION...]]

alone NAME     NAME compiles alone and twice over, and includes nothing but std, standalone Asio and coproc headers
file NAME      the file NAME, which uses the headers, compiles
listed NAME... these are all headers that there are
cheap          coproc.hpp makes the compiler read less than asio.hpp does
measure [NAME...]  prints what coproc.hpp, and each NAME, costs to compile, beside parts of Asio: CPU seconds, median and
               least (for people; nothing is checked)
"""

import os
import pathlib
import re
import statistics
import subprocess
import sys

# [headers] of the C++20 standard, and none of C: those are often the system's.
STANDARD = set("""
algorithm any array atomic barrier bit bitset charconv chrono codecvt compare complex concepts condition_variable
coroutine deque exception execution filesystem format forward_list fstream functional future initializer_list iomanip
ios iosfwd iostream istream iterator latch limits list locale map memory memory_resource mutex new numbers numeric
optional ostream queue random ranges ratio regex scoped_allocator semaphore set shared_mutex source_location span
sstream stack stdexcept stop_token streambuf string string_view syncstream system_error thread tuple type_traits
typeindex typeinfo unordered_map unordered_set utility valarray variant vector version
cassert cctype cerrno cfenv cfloat cinttypes climits clocale cmath csetjmp csignal cstdarg cstddef cstdint cstdio
cstdlib cstring ctime cuchar cwchar cwctype
""".split())


def compiler_run(command, text, *options):
    return subprocess.run([*command, "-x", "c++", *options, "-"], input=text, capture_output=True, text=True)


def complain(*lines):
    print(*lines, sep="\n", file=sys.stderr)
    sys.exit(1)


def check_text(path):
    """What the header names must be std, Asio or ours; conditional includes count like the others."""
    text = path.read_text()
    # How values cross is written by means of two libraries, in one place.
    helpers = ("boost/pfr/", "cereal/") if path.parent.match("detail/wire") else ()
    if not text.startswith("#pragma once\n"):
        complain(f"{path}: has to start with #pragma once")
    for name in re.findall(r"^\s*#\s*include\s*(\S+)", text, re.MULTILINE):
        match = re.fullmatch(r"<([^>]+)>", name)
        if not match:
            complain(f"{path}: includes {name}: write it in <>")
        if match[1] not in STANDARD and not match[1].startswith(("asio/", "coproc/", *helpers)):
            complain(f"{path}: includes {name}, which is neither std nor Asio nor coproc")
    if not helpers and re.search(r"boost\s*::|BOOST_", text):
        complain(f"{path}: names Boost")


def alone(include, names, command):
    for name in names:
        check_text(include / name)
        # Twice, and with a second translation unit's worth of code after it: no macro may be left behind.
        text = f"#include <{name}>\n#include <{name}>\nint main() {{}}\n"
        compiled = compiler_run(command, text, f"-I{include}", "-fsyntax-only")
        if compiled.returncode:
            complain(f"{name} does not compile alone:", compiled.stderr)
        read = compiler_run(command, text, f"-I{include}", "-M")
        boost = re.findall(r"\S*/boost/(?!pfr/)\S*", read.stdout)
        if read.returncode or boost:
            complain(f"{name} makes the compiler read more of Boost than Boost.PFR:", *boost, read.stderr)


def file(include, names, command):
    for name in names:
        compiled = subprocess.run([*command, f"-I{include}", "-fsyntax-only", name], capture_output=True, text=True)
        if compiled.returncode:
            complain(f"{name} does not compile:", compiled.stderr)


def listed(include, names, _command):
    there = {str(path.relative_to(include / "coproc")) for path in include.rglob("*.hpp")}
    if there != set(names):
        complain("include/meson.build and the folder disagree about:", *sorted(there ^ set(names)))
    umbrella = set(re.findall(r"#include <coproc/(\S+)>", (include / "coproc/coproc.hpp").read_text()))
    public = {name for name in names if not name.startswith("detail/")} - {"coproc.hpp"}
    if umbrella != public:
        complain("coproc.hpp and the folder disagree about:", *sorted(umbrella ^ public))


def lines_read(command, include, name):
    done = compiler_run(command, f"#include <{name}>\n", f"-I{include}", "-E", "-P")
    if done.returncode:
        complain(f"{name} can't be preprocessed:", done.stderr)
    return done.stdout.count("\n")


def cheap(include, _names, command):
    ours, asio = (lines_read(command, include, name) for name in ("coproc/coproc.hpp", "asio.hpp"))
    print(f"coproc.hpp: {ours} lines, asio.hpp: {asio} lines")
    if ours >= asio:
        complain("coproc.hpp costs more than all of Asio")


def cpu_seconds():
    """What children that have ended have used: a busy machine changes that little, and the time on the wall a lot."""
    times = os.times()
    return times.children_user + times.children_system


def measure(include, names, command):
    cases = {
        "nothing": "",
        "<asio/awaitable.hpp>, <asio/co_spawn.hpp>, <asio/io_context.hpp>":
            "#include <asio/awaitable.hpp>\n#include <asio/co_spawn.hpp>\n#include <asio/io_context.hpp>\n",
        "<coproc/run.hpp>": "#include <coproc/run.hpp>\n",
        "<coproc/coproc.hpp>": "#include <coproc/coproc.hpp>\n",
        "<asio.hpp>": "#include <asio.hpp>\n",
        **{f"<{name}>": f"#include <{name}>\n" for name in names},
    }
    seconds = {name: [] for name in cases}
    for _ in range(7):
        for name, text in cases.items():
            start = cpu_seconds()
            done = compiler_run(command, text, f"-I{include}", "-c", "-o", "/dev/null")
            seconds[name].append(cpu_seconds() - start)
            if done.returncode:
                complain(f"{name} does not compile:", done.stderr)
    for name, times in seconds.items():
        print(f"{statistics.median(times):5.2f} s  {min(times):5.2f} s  {name}")


def main():
    mode, include, rest = sys.argv[1], pathlib.Path(sys.argv[2]).resolve(), sys.argv[3:]
    at = rest.index("--") if "--" in rest else len(rest)
    {"alone": alone, "file": file, "listed": listed, "cheap": cheap, "measure": measure}[mode](include, rest[:at], rest[at + 1:])


main()
