# SPDX-License-Identifier: BSL-1.0
"""The same operations in CPython's multiprocessing: lines of NAME <tab> NANOSECONDS, the median of several rounds."""
import multiprocessing as mp
import statistics
import sys
import time


def nothing():
    pass


def three_x_plus_one(x):
    return 3 * x + 1


def echo(connection):
    # Ended by a message: the forked child holds the other end too and would never see it closed.
    while (message := connection.recv()) is not None:
        connection.send(message)


def produce(connection, size, n):
    message = b"x" * size
    for _ in range(n):
        connection.send_bytes(message)


def put_many(queue, n):
    item = b"x" * 64
    for _ in range(n):
        queue.put(item)


def take_many(queue, n, tell):
    queue.get()
    begin = time.perf_counter_ns()
    for _ in range(n - 1):
        queue.get()
    # The clock is the machine's: what one process tells, another can compare.
    tell.send((begin, time.perf_counter_ns()))


def per_operation(f, n, rounds=5):
    times = []
    for _ in range(rounds):
        start = time.perf_counter_ns()
        f(n)
        times.append((time.perf_counter_ns() - start) / n)
    return statistics.median(times)


def say(name, nanoseconds):
    print(f"{name}\t{nanoseconds:.1f}", flush=True)


def start():
    for method in ("fork", "spawn"):
        context = mp.get_context(method)

        def run(n):
            for _ in range(n):
                p = context.Process(target=nothing)
                p.start()
                p.join()

        say(f"start_{method}", per_operation(run, 20 if method == "fork" else 5))


def pipe():
    mine, theirs = mp.Pipe()
    other = mp.Process(target=echo, args=(theirs,))
    other.start()
    theirs.close()

    def run(n):
        for _ in range(n):
            mine.send(1)
            mine.recv()

    run(100)
    say("pipe_round_trip", per_operation(run, 3000))
    mine.send(None)
    other.join()
    for size, n in ((64, 100000), (1 << 20, 1000)):
        reader, writer = mp.Pipe(False)
        times = []
        for _ in range(3):
            p = mp.Process(target=produce, args=(writer, size, n))
            p.start()
            reader.recv_bytes()
            begin = time.perf_counter_ns()
            for _ in range(n - 1):
                reader.recv_bytes()
            times.append((time.perf_counter_ns() - begin) / (n - 1))
            p.join()
        say(f"pipe_one_way_{size}", statistics.median(times))


def two_and_two():
    n = 25000
    times = []
    for _ in range(3):
        q = mp.Queue()
        reader, writer = mp.Pipe(False)
        others = [mp.Process(target=take_many, args=(q, n, writer))]
        others += [mp.Process(target=put_many, args=(q, n)) for _ in range(2)]
        for p in others:
            p.start()
        take_many(q, n, writer)
        begins, ends = zip(reader.recv(), reader.recv())
        for p in others:
            p.join()
        times.append((max(ends) - min(begins)) / (2 * n - 1))
    say("queue_64_two_and_two", statistics.median(times))


def queue():
    q = mp.Queue()
    n = 50000
    times = []
    for _ in range(3):
        p = mp.Process(target=put_many, args=(q, n))
        p.start()
        q.get()
        begin = time.perf_counter_ns()
        for _ in range(n - 1):
            q.get()
        times.append((time.perf_counter_ns() - begin) / (n - 1))
        p.join()
    say("queue_64", statistics.median(times))
    two_and_two()


def manager():
    with mp.Manager() as m:
        d = m.dict({"key": 1})

        def run(n):
            for _ in range(n):
                d["key"]

        run(100)
        say("manager_get", per_operation(run, 3000))


def pool():
    for method in ("fork", "spawn"):
        times = []
        for _ in range(5):
            begin = time.perf_counter_ns()
            p = mp.get_context(method).Pool(2)
            a, b = p.apply_async(three_x_plus_one, (1,)), p.apply_async(three_x_plus_one, (2,))
            a.get() + b.get()
            times.append(time.perf_counter_ns() - begin)
            p.terminate()
            p.join()
        say(f"pool_first_result_{method}", statistics.median(times))
    with mp.Pool(2) as p:

        def run(n):
            for _ in range(n):
                p.apply(three_x_plus_one, (1,))

        run(100)
        say("pool_apply", per_operation(run, 3000))
        numbers = range(1_000_000)
        times = []
        for _ in range(3):
            begin = time.perf_counter_ns()
            p.map(three_x_plus_one, numbers)
            times.append((time.perf_counter_ns() - begin) / len(numbers))
        say("pool_map_item", statistics.median(times))


if __name__ == "__main__":
    for name in sys.argv[1:]:
        globals()[name]()
