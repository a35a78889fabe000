"""Python's multiprocessing: functions in child processes, and pipes between them."""

import multiprocessing
from time import perf_counter_ns

from peer_server import expect, serve


def nothing():
    pass


def measure_start(method):
    context = multiprocessing.get_context(method)

    def question(_, count, width):
        begin = perf_counter_ns()
        left = count
        running = []
        while left > 0 or running:
            while left > 0 and len(running) < width:
                child = context.Process(target=nothing)
                child.start()
                running.append(child)
                left -= 1
            child = running.pop(0)
            child.join()
            expect(child.exitcode == 0)
            child.close()
        return perf_counter_ns() - begin, 0

    return question


forkserver = multiprocessing.get_context("forkserver")


def count_bytes(data, to):
    to.send(len(data))


def make_bytes(size, to):
    to.send_bytes(bytes(size))


def argument(_, count, width):
    data = b"x" * width
    begin = perf_counter_ns()
    for _ in range(count):
        mine, its = forkserver.Pipe(duplex=False)
        child = forkserver.Process(target=count_bytes, args=(data, its))
        child.start()
        its.close()
        expect(mine.recv() == width)
        child.join()
        mine.close()
    return perf_counter_ns() - begin, 0


def result(_, count, width):
    begin = perf_counter_ns()
    for _ in range(count):
        mine, its = forkserver.Pipe(duplex=False)
        child = forkserver.Process(target=make_bytes, args=(width, its))
        child.start()
        its.close()
        expect(len(mine.recv_bytes()) == width)
        child.join()
        mine.close()
    return perf_counter_ns() - begin, 0


fork = multiprocessing.get_context("fork")


def echo(to):
    try:
        while True:
            to.send(to.recv())
    except EOFError:
        pass


def send_many(to, count, size):
    value = "x" * size
    for _ in range(count):
        to.send(value)


def pipe_echo(_, count, width):
    mine, its = fork.Pipe()
    child = fork.Process(target=echo, args=(its,), daemon=True)
    child.start()
    value = "x" * width
    mine.send(value)
    mine.recv()
    begin = perf_counter_ns()
    for _ in range(count):
        mine.send(value)
        mine.recv()
    elapsed = perf_counter_ns() - begin
    child.kill()
    child.join()
    return elapsed, 0


def pipe_receive(_, count, width):
    mine, its = fork.Pipe()
    begin = perf_counter_ns()
    child = fork.Process(target=send_many, args=(its, count, width), daemon=True)
    child.start()
    for _ in range(count):
        mine.recv()
    elapsed = perf_counter_ns() - begin
    child.join()
    return elapsed, 0


if __name__ == "__main__":
    serve(
        "Python",
        {
            "function_fork": measure_start("fork"),
            "function_forkserver": measure_start("forkserver"),
            "function_spawn": measure_start("spawn"),
            "argument": argument,
            "result": result,
            "pipe_echo": pipe_echo,
            "pipe_receive": pipe_receive,
        },
    )
