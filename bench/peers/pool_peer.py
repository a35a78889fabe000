"""Python's two pools of processes, forked, with two workers. `width` is what a question says."""

import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from time import perf_counter_ns

from peer_server import expect, serve


def nothing():
    pass


def increment(x):
    return x + 1


def sleep_for(milliseconds):
    time.sleep(milliseconds / 1000)


def length(data):
    return len(data)


class WithPool:
    def __init__(self):
        self.pool = multiprocessing.get_context("fork").Pool(2)

    def call(self, _, count, width):
        begin = perf_counter_ns()
        for _ in range(count):
            self.pool.apply(nothing)
        return perf_counter_ns() - begin, 0

    def bulk(self, _, count, width):
        begin = perf_counter_ns()
        for result in [self.pool.apply_async(nothing) for _ in range(count)]:
            result.get()
        return perf_counter_ns() - begin, 0

    def map(self, _, count, width):
        numbers = list(range(count))
        begin = perf_counter_ns()
        expect(len(self.pool.map(increment, numbers)) == count)
        return perf_counter_ns() - begin, 0

    def sleep(self, _, count, width):
        begin = perf_counter_ns()
        self.pool.map(sleep_for, [width] * count, chunksize=1)
        return perf_counter_ns() - begin, 0

    def argument(self, _, count, width):
        data = b"x" * width
        begin = perf_counter_ns()
        for _ in range(count):
            expect(self.pool.apply(length, (data,)) == width)
        return perf_counter_ns() - begin, 0


class WithExecutor:
    def __init__(self):
        self.pool = ProcessPoolExecutor(2, multiprocessing.get_context("fork"))

    def call(self, _, count, width):
        begin = perf_counter_ns()
        for _ in range(count):
            self.pool.submit(nothing).result()
        return perf_counter_ns() - begin, 0

    def bulk(self, _, count, width):
        begin = perf_counter_ns()
        for result in [self.pool.submit(nothing) for _ in range(count)]:
            result.result()
        return perf_counter_ns() - begin, 0

    def map(self, _, count, width):
        begin = perf_counter_ns()
        expect(len(list(self.pool.map(increment, range(count), chunksize=max(count // 8, 1)))) == count)
        return perf_counter_ns() - begin, 0

    def sleep(self, _, count, width):
        begin = perf_counter_ns()
        list(self.pool.map(sleep_for, [width] * count))
        return perf_counter_ns() - begin, 0

    def argument(self, _, count, width):
        data = b"x" * width
        begin = perf_counter_ns()
        for _ in range(count):
            expect(self.pool.submit(length, data).result() == width)
        return perf_counter_ns() - begin, 0


def questions():
    made = {}

    def ask(kind, name):
        def question(*arguments):
            if kind not in made:
                made[kind] = kind()
            return getattr(made[kind], name)(*arguments)

        return question

    names = {"pool": WithPool, "executor": WithExecutor}
    return {
        f"{prefix}_{name}": ask(kind, name)
        for prefix, kind in names.items()
        for name in ("call", "bulk", "map", "sleep", "argument")
    }


if __name__ == "__main__":
    serve("Python", questions())
    sys.stdout.flush()
