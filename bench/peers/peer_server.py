"""What the two Python peers share: the protocol, and a host of a given size."""

import mmap
import os
import platform
import sys


class Host:
    """Ballast and open descriptors, on top of what the interpreter has anyway."""

    def __init__(self):
        self.ballast = None
        self.descriptors = []

    def become(self, mib, descriptors):
        if self.ballast is not None:
            self.ballast.close()
            self.ballast = None
        for fd in self.descriptors:
            os.close(fd)
        self.descriptors = [os.open("/dev/null", os.O_RDONLY) for _ in range(descriptors)]
        if mib:
            self.ballast = mmap.mmap(-1, mib << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            self.ballast.madvise(getattr(mmap, "MADV_NOHUGEPAGE", 15))
            page = b"\1" * (1 << 20)
            for at in range(0, mib << 20, 1 << 20):
                self.ballast[at : at + len(page)] = page


def serve(name, questions):
    """Answers requests until stdin ends. `questions`: name -> f(program, count, width) -> (ns, 99th percentile)."""
    host = Host()
    # Not sys.stdin: what it reads ahead would be lost to nobody, but it must not be shared with children.
    requests = os.fdopen(os.dup(0), "r")
    answers = os.fdopen(os.dup(1), "w")
    for line in iter(requests.readline, ""):
        word, *arguments = line.split()
        try:
            if word == "hello":
                answer = f"ok {name} {platform.python_version()};{','.join(questions)}"
            elif word == "host":
                host.become(int(arguments[0]), int(arguments[1]))
                answer = "ok 0"
            else:
                program, count, width = arguments
                elapsed, tail = questions[word](program, int(count), int(width))
                answer = f"ok {elapsed} {tail}"
        except Exception as error:  # reported, and the server goes on
            answer = "error " + " ".join(f"{type(error).__name__}: {error}".split())
        answers.write(answer + "\n")
        answers.flush()


def expect(good):
    if not good:
        raise RuntimeError("the program failed, or not all came")


def median_and_tail(gaps):
    gaps.sort()
    count = len(gaps)
    return gaps[count // 2] * count, gaps[min(count - 1, count * 99 // 100)]


if sys.version_info < (3, 9):
    sys.exit("needs Python 3.9")
