#!/usr/bin/env python3
"""Runs an example and compares what it prints with the expected output in the comment at the top of its source.

    check.py PROGRAM SOURCE

The comment names the command, after a `$`, and then the output, all indented by four spaces:

    // What it shows.
    //
    //     $ ./name an-argument
    //     the first line of output
    //     the second one

The output has to be equal to the byte, the exit code 0, and stderr empty.
"""

import difflib
import os
import shlex
import subprocess
import sys

INDENT = "//     "


def expected_of(source):
    """The arguments and the output that the comment at the top of `source` promises."""
    arguments, output = None, []
    with open(source, encoding="utf-8") as lines:
        for line in lines:
            line = line.rstrip("\n")
            if not line.startswith("//"):
                break
            if line.startswith(INDENT + "$ "):
                if arguments is not None:
                    sys.exit(f"{source}: more than one command")
                arguments = shlex.split(line[len(INDENT) + 2 :])[1:]
            elif arguments is not None:
                if line.startswith(INDENT):
                    output.append(line[len(INDENT) :])
                elif line == "//":
                    output.append("")
                else:
                    break  # prose after the block
    if arguments is None:
        sys.exit(f"{source}: no command in the comment at its top")
    while output and not output[-1]:
        output.pop()
    return arguments, "".join(line + "\n" for line in output)


def main():
    program, source = sys.argv[1:]
    arguments, expected = expected_of(source)
    done = subprocess.run(
        [os.path.abspath(program), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**os.environ, "LC_ALL": "C"},
        timeout=60,
    )
    printed = done.stdout.decode("utf-8", "backslashreplace")
    sys.stderr.write(done.stderr.decode("utf-8", "backslashreplace"))
    if printed != expected:
        sys.stdout.writelines(
            difflib.unified_diff(
                expected.splitlines(True), printed.splitlines(True), "expected in " + source, "printed"
            )
        )
    if done.returncode != 0:
        print("exit code", done.returncode)
    return 0 if printed == expected and done.returncode == 0 and not done.stderr else 1


if __name__ == "__main__":
    sys.exit(main())
