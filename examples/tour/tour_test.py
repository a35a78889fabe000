#!/usr/bin/env python3
"""Runs the tour on a small tree full of awkward names, and sees it agree, disagree, fail, and be interrupted.

    tour_test.py TOUR
"""

import collections
import hashlib
import os
import pathlib
import pty
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

TOUR = ""  # the program, from the command line


def make_tree(root):
    """Fills `root`; returns the contents of all regular files in it."""
    text = b"#include <vector>\n  #  include <map>\n#include \"own.h\"\nint x;\n"
    named = {
        "plain.h": text,
        "copy of plain.h": text,
        "sub dir/with\ttab.h": b"#include <vector>\n" * 3,
        "new\nline.h": b"#include <set>\n",
        "-n.h": b"-- looks like an option\n",
        "\u00fcn\u00ef.h": "// \u00fcn\u00ef\n".encode(),
        "$(touch pwned) 'quoted\" *.h": b"",
        "\\back\\slash.h": b"// a \\\n",
        "empty.h": b"",
        "no newline at the end.h": b"#include <deque>",
        "already.gz": b"not compressed at all",
        "binary.bin": bytes(range(256)) * 20,
    }
    contents = [(root / name, data) for name, data in named.items()]
    contents += [(root / "many" / f"{i}.h", b"#include <vector>\n// %d\n" % i) for i in range(600)]
    for path, data in contents:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    (root / "link.h").symlink_to("plain.h")
    return [data for _, data in contents]


class Tour(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="coproc tour ")
        self.addCleanup(directory.cleanup)
        self.base = pathlib.Path(directory.name)
        self.tree = self.base / "a tree"
        self.tree.mkdir()
        # All that the tour starts inherits this, so what it leaves behind can be told from everything else.
        self.tag = "COPROC_TOUR_TEST=" + str(uuid.uuid4())
        name, value = self.tag.split("=")
        self.environment = {**os.environ, name: value}

    def tearDown(self):
        # Programs have been reaped when the tour ends; what they started in turn has been killed, and may take a
        # moment to go.
        deadline = time.monotonic() + 10
        while (left := self.survivors()) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual(left, [], "left behind")

    def survivors(self):
        found = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if self.tag.encode() in (process / "environ").read_bytes():
                    found.append((process / "cmdline").read_bytes())
            except OSError:
                pass  # ended meanwhile, or not ours
        return found

    def fake(self, name, script):
        """From now on `name` is this shell script."""
        programs = self.base / "bin"
        programs.mkdir(exist_ok=True)
        (programs / name).write_text("#!/bin/sh\n" + script)
        (programs / name).chmod(0o755)
        self.environment["PATH"] = f"{programs}:{os.environ['PATH']}"

    def run_tour(self, *arguments):
        return subprocess.run(
            [TOUR, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            env=self.environment,
            timeout=60,
        )

    def test_agrees_with_the_shell_on_awkward_names(self):
        contents = make_tree(self.tree)
        done = self.run_tour("--jobs", "3", str(self.tree))
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)

        lines = done.stdout.split("\n")
        found = {}
        for line in lines:
            match = re.fullmatch(r"  (\S+( -1)?) +(.*?) +agrees", line)
            if match:
                found[match[1]] = match[3]
        copies = collections.Counter(hashlib.sha256(data).digest() for data in contents)
        repeated = [count for count in copies.values() if count > 1]
        self.assertEqual(found["files"], str(len(contents)))
        self.assertEqual(found["lines"], f"{sum(data.count(10) for data in contents):,}")
        self.assertEqual(
            found["duplicates"].split(",")[0], f"{sum(repeated) - len(repeated)} superfluous files in {len(repeated)} sets"
        )
        self.assertEqual(found["includes"], "609 lines, most often of:")
        self.assertIn("605  <vector>", done.stdout)
        self.assertIn("killed by SIGTERM", found["endless"])
        self.assertEqual(found["missing"], "spawn 'no-such-program': No such file or directory")
        self.assertEqual(found["words"], f"{sum(len(re.findall(rb'[A-Za-z0-9_]+', data)) for data in contents):,}")
        self.assertEqual(done.stdout.count(" agrees\n"), 10)
        self.assertNotRegex(done.stdout, "[\r\033]", "no terminal, no control characters")

    def test_an_empty_directory(self):
        done = self.run_tour(str(self.tree))
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertEqual(done.stdout.count(" agrees\n"), 9)

    def test_a_shell_that_says_otherwise(self):
        make_tree(self.tree)
        self.fake("head", "echo something else")  # the shell's pipelines alone use it
        done = self.run_tour(str(self.tree))
        self.assertEqual((done.returncode, done.stderr), (1, ""), done.stdout)
        self.assertEqual(done.stdout.count(" DISAGREES\n"), 2)

    def test_a_program_that_fails_ends_the_tour(self):
        make_tree(self.tree)
        self.fake("gzip", "exec sleep 1000")
        self.fake("sha256sum", "echo out of numbers >&2; exit 3")
        done = self.run_tour("--jobs", "4", str(self.tree))
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stderr, "(?s)sha256sum.*exited with code 3.*out of numbers")

    def test_a_wrong_command_line(self):
        for arguments in (["--frob"], ["--jobs"], ["--jobs", "0"], ["--jobs", "2x"], ["a", "b"], ["/no/such/directory"]):
            self.assertEqual(self.run_tour(*arguments).returncode, 2, arguments)

    def test_ctrl_c_on_a_terminal_leaves_nothing_behind(self):
        make_tree(self.tree)
        started = self.base / "started"
        os.mkfifo(started)
        self.fake("gzip", f"trap '' INT; echo started > '{started}'; sleep 1000; :")  # not exec: a grandchild
        process, terminal = pty.fork()
        if process == 0:
            os.execve(TOUR, [TOUR, "--jobs", "2", str(self.tree)], self.environment)
        signal.alarm(60)  # the default action ends this test, and with it the terminal
        with open(started, "rb") as fifo:
            fifo.readline()
        os.write(terminal, b"\x03")
        printed = b""
        try:
            while piece := os.read(terminal, 65536):
                printed += piece
        except OSError:
            pass  # EIO: nobody has the terminal open any more
        _, status = os.waitpid(process, 0)
        signal.alarm(0)
        os.close(terminal)
        self.assertEqual(os.waitstatus_to_exitcode(status), 130, printed)
        self.assertIn(b"listed 612 files", printed)
        self.assertIn(b"\r\033[K[", printed, "a line of progress")


if __name__ == "__main__":
    TOUR = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
