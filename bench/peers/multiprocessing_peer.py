"""Python's multiprocessing queues. `program` says how many pairs of processes there are, `width` how large an item is."""

import multiprocessing
from time import perf_counter_ns

from peer_server import expect, serve

fork = multiprocessing.get_context("fork")


def produce(queue, gate, count, size):
    item = b"i" * size
    gate.wait()
    for _ in range(count):
        queue.put(item)


def consume(queue, gate, count, size):
    gate.wait()
    for _ in range(count):
        expect(len(queue.get()) == size)


def race(queue, pairs, count, size):
    gate = fork.Barrier(2 * pairs + 1)
    members = [fork.Process(target=work, args=(queue, gate, count // pairs, size)) for work in (produce, consume) for _ in range(pairs)]
    for member in members:
        member.start()
    gate.wait()
    begin = perf_counter_ns()
    for member in members:
        member.join()
    elapsed = perf_counter_ns() - begin
    expect(all(member.exitcode == 0 for member in members))
    return elapsed, 0


def shared_queue(program, count, width):
    return race(fork.Queue(64 if width > 4096 else 1024), int(program), count, width)


def shared_queue_manager(program, count, width):
    with fork.Manager() as manager:
        return race(manager.Queue(1024), int(program), count, width)


def ping(there, back, gate, count):
    gate.wait()
    for i in range(count):
        back.put(there.get())


def shared_queue_wake(program, count, width):
    there, back, gate = fork.Queue(), fork.Queue(), fork.Barrier(2)
    other = fork.Process(target=ping, args=(there, back, gate, count))
    other.start()
    gate.wait()
    begin = perf_counter_ns()
    for i in range(count):
        there.put(i)
        back.get()
    elapsed = perf_counter_ns() - begin
    other.join()
    return elapsed, 0


if __name__ == "__main__":
    serve("Python", {"shared_queue": shared_queue, "shared_queue_manager": shared_queue_manager,
                     "shared_queue_wake": shared_queue_wake})
