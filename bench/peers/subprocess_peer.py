"""Python's subprocess module."""

import collections
import subprocess
from time import perf_counter_ns

from peer_server import expect, serve


def start(program, count, width):
    begin = perf_counter_ns()
    in_flight = collections.deque()
    for _ in range(count):
        if len(in_flight) == width:
            expect(in_flight.popleft().wait() == 0)
        in_flight.append(subprocess.Popen([program]))
    while in_flight:
        expect(in_flight.popleft().wait() == 0)
    return perf_counter_ns() - begin, 0


def capture(program, count, width):
    if width != 1:
        raise NotImplementedError("subprocess.run is one at a time")
    begin = perf_counter_ns()
    for _ in range(count):
        subprocess.run([program], stdout=subprocess.PIPE, check=True)
    return perf_counter_ns() - begin, 0


def pipe(program, count, width):
    begin = perf_counter_ns()
    with subprocess.Popen([program, "bytes", str(count)], stdout=subprocess.PIPE, bufsize=0) as child:
        buffer = bytearray(width)
        total = 0
        while n := child.stdout.readinto(buffer):
            total += n
        elapsed = perf_counter_ns() - begin
    expect(total == count and child.returncode == 0)
    return elapsed, 0


def lines(program, count, width):
    begin = perf_counter_ns()
    with subprocess.Popen([program, "lines", str(count), str(width)], stdout=subprocess.PIPE) as child:
        total = 0
        for _ in child.stdout:
            total += 1
        elapsed = perf_counter_ns() - begin
    expect(total == count and child.returncode == 0)
    return elapsed, 0


def communicate(program, count, width):
    data = b"i" * width
    elapsed = 0
    for _ in range(count):
        begin = perf_counter_ns()
        child = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        out, _ = child.communicate(data)
        elapsed += perf_counter_ns() - begin
        expect(len(out) == width and child.returncode == 0)
    return elapsed, 0


serve(
    "Python",
    {"start": start, "capture": capture, "pipe": pipe, "lines": lines, "communicate": communicate},
)
