#!/usr/bin/env python3
"""Checks what the compiler says about wrong programs: check.py FILE -- COMPILER [OPTION...]

Each case of FILE is a line `#ifdef CASE // text | text | ...`: compiled with -DCASE it has to fail, and each text has to
be in the output. A case without a text has to compile.
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

source = pathlib.Path(sys.argv[1])
command = sys.argv[3:]
cases = re.findall(r"^#ifdef (\w+) //(.*)$", source.read_text(), re.MULTILINE)


def plain(text):
    """Compilers write types and quotes in slightly different ways."""
    return re.sub(r"\s+(?=[*>&])", "", text.replace("’", "'").replace("‘", "'"))


def check(case):
    name, texts = case[0], [plain(text.strip()) for text in case[1].split("|") if text.strip()]
    done = subprocess.run([*command, f"-D{name}", "-fsyntax-only", str(source)], capture_output=True, text=True,
                          env={**os.environ, "LC_ALL": "C"})
    if not texts:
        return [f"{name}: does not compile:", done.stderr] if done.returncode else []
    said = plain(done.stderr)
    # clang names the template that is instantiated, where GCC names its parameter.
    missing = [text for text in texts if text not in said and text.replace("T = ", "check_type<") not in said]
    if done.returncode == 0:
        return [f"{name}: compiles"]
    return [f"{name}: the compiler does not say {missing}:", done.stderr] if missing else []


with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    complaints = [line for lines in pool.map(check, cases) for line in lines]
print(len(cases), "cases")
if complaints:
    print(*complaints, sep="\n")
if complaints or not cases:
    sys.exit(1)
