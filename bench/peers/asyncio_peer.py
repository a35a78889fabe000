"""Python's asyncio subprocesses, waited for through pidfds (the default from 3.12 on)."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from time import perf_counter_ns

from peer_server import expect, median_and_tail, serve

if sys.version_info < (3, 12) and hasattr(asyncio, "PidfdChildWatcher"):
    asyncio.get_event_loop_policy().set_child_watcher(asyncio.PidfdChildWatcher())


async def in_lanes(one, program, count, width):
    left = count

    async def lane():
        nonlocal left
        while left > 0:
            left -= 1
            await one(program)

    begin = perf_counter_ns()
    await asyncio.gather(*(lane() for _ in range(width)))
    return perf_counter_ns() - begin, 0


async def started(program):
    child = await asyncio.create_subprocess_exec(program)
    expect(await child.wait() == 0)


async def captured(program):
    child = await asyncio.create_subprocess_exec(program, stdout=PIPE)
    await child.communicate()
    expect(child.returncode == 0)


async def start(program, count, width):
    return await in_lanes(started, program, count, width)


async def capture(program, count, width):
    return await in_lanes(captured, program, count, width)


async def pipe(program, count, width):
    begin = perf_counter_ns()
    child = await asyncio.create_subprocess_exec(program, "bytes", str(count), stdout=PIPE)
    total = 0
    while data := await child.stdout.read(width):
        total += len(data)
    elapsed = perf_counter_ns() - begin
    expect(await child.wait() == 0 and total == count)
    return elapsed, 0


async def lines(program, count, width):
    begin = perf_counter_ns()
    child = await asyncio.create_subprocess_exec(program, "lines", str(count), str(width), stdout=PIPE)
    total = 0
    async for _ in child.stdout:
        total += 1
    elapsed = perf_counter_ns() - begin
    expect(await child.wait() == 0 and total == count)
    return elapsed, 0


async def communicate(program, count, width):
    data = b"i" * width
    elapsed = 0
    for _ in range(count):
        begin = perf_counter_ns()
        child = await asyncio.create_subprocess_exec(program, stdin=PIPE, stdout=PIPE)
        out, _ = await child.communicate(data)
        elapsed += perf_counter_ns() - begin
        expect(len(out) == width and child.returncode == 0)
    return elapsed, 0


async def stall(program, count, _):
    loop = asyncio.get_running_loop()
    last = longest = 0
    stopped = False
    gaps = []

    def turn():
        nonlocal last, longest
        now = perf_counter_ns()
        longest = max(longest, now - last)
        last = now
        if not stopped:
            loop.call_soon(turn)

    last = perf_counter_ns()
    loop.call_soon(turn)
    for _ in range(count):
        last, longest = perf_counter_ns(), 0
        await started(program)
        gaps.append(max(longest, perf_counter_ns() - last))
    stopped = True
    await asyncio.sleep(0)
    return median_and_tail(gaps)


async def queue_put_get(_, count, width):
    queue = asyncio.Queue(width)
    total = 0
    begin = perf_counter_ns()
    for n in range(count):
        await queue.put(n)
        total += await queue.get()
    elapsed = perf_counter_ns() - begin
    expect(total == count * (count - 1) // 2)
    return elapsed, 0


async def queue_hand_over(_, count, width):
    queue = asyncio.Queue(width)

    async def produce():
        for n in range(count):
            await queue.put(n)

    begin = perf_counter_ns()
    producer = asyncio.ensure_future(produce())
    total = 0
    for _ in range(count):
        total += await queue.get()
    elapsed = perf_counter_ns() - begin
    await producer
    expect(total == count * (count - 1) // 2)
    return elapsed, 0


def on_the_loop(question):
    # One loop for all requests, as a service has.
    return lambda program, count, width: loop.run_until_complete(question(program, count, width))


loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
if sys.version_info < (3, 12):
    asyncio.get_child_watcher().attach_loop(loop)

serve(
    "Python",
    {
        question.__name__: on_the_loop(question)
        for question in (start, capture, pipe, lines, communicate, stall, queue_put_get, queue_hand_over)
    },
)
