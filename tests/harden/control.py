#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Clients that mean harm at the control socket of a gwd: control.py SOCKET PID GWCTL

A line PASS or FAIL a test; after each, gwd answers gwctl in time, has its descriptors back and is idle again."""
import json
import os
import random
import resource
import socket
import struct
import subprocess
import sys
import time

PATH, PID, GWCTL = sys.argv[1], int(sys.argv[2]), sys.argv[3]
CLIENTS = 200
ANSWER_S = 2.0
IDLE = 0.1  # of a CPU, at most
REST_S = 20.0
failures = 0


def connect():
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 5, 0))  # also for connect()
    client.connect(PATH)
    client.settimeout(5)
    return client


def send(client, text):
    """As far as gwd takes it."""
    try:
        client.sendall(text)
    except (BrokenPipeError, ConnectionResetError, socket.timeout):
        pass


def descriptors():
    return len(os.listdir(f"/proc/{PID}/fd"))


def memory_kb():
    with open(f"/proc/{PID}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))


def cpu_s():
    with open(f"/proc/{PID}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def must(condition, words):
    if not condition:
        raise AssertionError(words)


def time_of_status():
    started = time.monotonic()
    done = subprocess.run([GWCTL, "--run-dir", os.path.dirname(PATH), "-j", "status"], capture_output=True, timeout=20,
                          check=False)
    took = time.monotonic() - started
    must(done.returncode in (0, 1), f"gwctl status ends with {done.returncode}: {done.stderr.decode()}")
    must("gateway" in json.loads(done.stdout), "gwctl status shows no gateway")
    return took


def status_answers():
    """In time, at the second try if not at the first: the machine may have been busy with others."""
    took = time_of_status()
    if took >= ANSWER_S:
        took = time_of_status()
    must(took < ANSWER_S, f"gwctl status took {took:.1f} s, twice")


def load_for(seconds):
    """The share of a CPU that gwd takes."""
    before = cpu_s()
    time.sleep(seconds)
    return (cpu_s() - before) / seconds


def must_rest(words):
    """gwd may have to work off what it was asked, which ends; an endless loop does not."""
    deadline = time.monotonic() + REST_S
    while (load := load_for(1)) > IDLE:
        must(time.monotonic() < deadline, f"{words}: {load:.0%} of a CPU")


def settle(before):
    deadline = time.monotonic() + 5
    while descriptors() > before and time.monotonic() < deadline:
        time.sleep(0.05)
    must(descriptors() <= before, f"{descriptors()} descriptors are open, {before} were")
    must_rest("gwd is not idle afterwards")


def garbage():
    """Bytes without sense, and requests with some of them changed."""
    chance = random.Random(7547)
    request = b'{"method":"flow.list","arguments":{"address":"100.64.0.0/10","port":80}}\n'
    for _ in range(300):
        client = connect()
        text = bytearray(request * chance.randrange(1, 20))
        for _ in range(chance.randrange(0, 60)):
            text[chance.randrange(len(text))] = chance.randrange(256)
        send(client, bytes(text) if chance.random() < 0.7 else chance.randbytes(chance.randrange(1, 40000)))
        client.close()
    status_answers()


def half_requests():
    clients = [connect() for _ in range(CLIENTS)]
    for number, client in enumerate(clients):
        send(client, b'{"method":"gateway.stop"}'[: 1 + number % 25])
    status_answers()
    for client in clients:
        client.close()
    status_answers()


def two_hundred_clients():
    """All at once, all served."""
    clients = [connect() for _ in range(CLIENTS)]
    for client in clients:
        send(client, b'{"method":"version"}\n')
    status_answers()
    for client in clients:
        reply = b""
        while reply.count(b"\n") < 2:
            part = client.recv(65536)
            must(part, f"a client was turned away: {reply.decode()}")
            reply += part
        must(reply.endswith(b'{"code":0}\n'), reply.decode())
        client.close()


def deaf_clients():
    """They ask for more and more and never read."""
    before = memory_kb()
    clients = [connect() for _ in range(20)]
    for client in clients:
        client.setblocking(False)
        for _ in range(2000):
            try:
                client.send(b'{"method":"status"}\n{"method":"stats"}\n' * 10)
            except BlockingIOError:
                break
    status_answers()
    must_rest("gwd is busy with clients that do not read")
    must(memory_kb() - before < 20 * 256, f"deaf clients cost {memory_kb() - before} KiB")
    for client in clients:
        client.close()


def no_descriptors():
    """Clients that cannot be accepted wait, gwd stays idle, and they are served once there are descriptors again."""
    before = resource.prlimit(PID, resource.RLIMIT_NOFILE)
    resource.prlimit(PID, resource.RLIMIT_NOFILE, (descriptors(), before[1]))
    clients = [connect() for _ in range(20)]
    load = load_for(2)
    resource.prlimit(PID, resource.RLIMIT_NOFILE, before)
    must(load < 0.3, f"gwd takes {load:.0%} of a CPU while it cannot accept")
    for client in clients:
        send(client, b'{"method":"version"}\n')
        must(b"version" in client.recv(65536), "a client that had to wait is not served")
        client.close()
    status_answers()


def play(test, name):
    global failures
    before = descriptors()
    try:
        test()
        settle(before)
        print(f"PASS harden: {name}", flush=True)
    except (AssertionError, OSError, StopIteration, ValueError, subprocess.TimeoutExpired) as why:
        failures += 1
        print(f"FAIL harden: {name}: {why}", flush=True)


play(garbage, "garbage at the control socket")
play(half_requests, f"{CLIENTS} half requests")
play(two_hundred_clients, f"{CLIENTS} clients at once")
play(deaf_clients, "clients that never read")
play(no_descriptors, "no descriptors left")
sys.exit(1 if failures else 0)
