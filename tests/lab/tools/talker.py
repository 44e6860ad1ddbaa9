#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A device that talks to the loopback in every manner at once until SIGTERM, and tells of each exchange that went wrong:

    START END WHO KIND vFAMILY OUTCOME        seconds of CLOCK_REALTIME; OUTCOME is one of

    lost        a datagram's answer did not come in LATE seconds: nothing was sent twice
    twice       it came more than once
    damaged     it was not what was asked, or a transfer ended early, or its checksum is wrong
    reset       the connection was reset or refused
    timeout     the connection stood still for TIMEOUT seconds
    error       anything else

At its end it says `total WHO KIND vFAMILY SENT GOOD` for each kind, and `done`.

    talker.py WHO IPV4 IPV6 LOOPBACK4 LOOPBACK6 KIND…

beat        numbered UDP datagrams of one flow                fresh       UDP, a new flow each time
ping        ICMP echo                                         page        short TCP connections in a row
fragment    UDP in several fragments, both ways               download    8 MiB by TCP, slowly
                                                              upload      2 MiB by TCP, slowly, and its checksum back
"""
import hashlib
import os
import select
import signal
import socket
import sys
import threading
import time

LATE, TIMEOUT = 5, 30
who, *addresses = sys.argv[1:6]
SOURCE = {4: addresses[0], 6: addresses[1]}
LOOPBACK = {4: addresses[2], 6: addresses[3]}
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
FILL = os.urandom(1 << 16)
with open("/run/lab/big", "rb") as f:
    BIG_DIGEST = hashlib.sha256(f.read()).hexdigest()
UPLOAD = os.urandom(1 << 20) * 2

stop = threading.Event()
speaking = threading.Lock()


def say(*words):
    with speaking:
        print(*words, flush=True)


class Talk:
    """Exchanges of one kind in one family, and how many there were."""

    def __init__(self, kind, family):
        self.kind, self.family, self.sent, self.good = kind, family, 0, 0

    def bad(self, start, outcome):
        say(f"{start:.3f} {time.time():.3f} {who} {self.kind} v{self.family} {outcome}")

    def total(self):
        say("total", who, self.kind, f"v{self.family}", self.sent, self.good)


# ---- Datagrams -----------------------------------------------------------------------------------------------------


def question(number, size):
    return number.to_bytes(8, "big") + FILL[number % 997:][:size - 8]


def datagram_socket(family, protocol=0):
    s = socket.socket(FAMILY[family], socket.SOCK_DGRAM, protocol)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    s.bind((SOURCE[family], 0))
    s.connect((LOOPBACK[family], 7))
    s.setblocking(False)
    return s


def receive(s):
    try:
        return s.recv(65536)
    except OSError:  # nothing there, or an ICMP error about an earlier one
        return None


def send(s, datagram):
    for _ in range(2):  # an error about an earlier one: once more
        try:
            s.send(datagram)
            return
        except OSError:
            pass


def datagrams(talk, size, interval, header=b"", protocol=0):
    """Of one flow, one every so many seconds; answers carry as many bytes of header as questions."""
    s = datagram_socket(talk.family, protocol)
    pending, due = {}, time.monotonic()
    while pending or not stop.is_set():
        now = time.monotonic()
        if not stop.is_set() and now >= due:
            due = max(due + interval, now)  # what a machine that stood still did not send it does not send at once
            pending[talk.sent] = time.time()
            send(s, header + question(talk.sent, size))
            talk.sent += 1
        select.select([s], [], [], max(0, min(due - time.monotonic(), 0.1)) if not stop.is_set() else 0.1)
        while (answer := receive(s)) is not None:
            note_answer(talk, pending, answer[len(header):], size)
        note_lost(talk, pending)


def note_answer(talk, pending, answer, size):
    number = int.from_bytes(answer[:8], "big")
    start = pending.pop(number, None)
    if start is None:
        talk.bad(time.time(), "twice")
    elif answer == question(number, size):
        talk.good += 1
    else:
        talk.bad(start, "damaged")


def note_lost(talk, pending):
    while pending:
        number, start = next(iter(pending.items()))  # the oldest
        if time.time() - start < LATE:
            return
        del pending[number]
        talk.bad(start, "lost")


def fresh(talk):
    while not stop.wait(0.2):
        with datagram_socket(talk.family) as s:
            start, asked = time.time(), question(talk.sent, 100)
            talk.sent += 1
            send(s, asked)
            select.select([s], [], [], LATE)
            answer = receive(s)
        if answer == asked:
            talk.good += 1
        else:
            talk.bad(start, "lost" if answer is None else "damaged")


# ---- Connections ---------------------------------------------------------------------------------------------------


def connect(family, port):
    s = socket.socket(FAMILY[family])
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)  # more would fill a queue until something in it is lost
    s.settimeout(TIMEOUT)
    s.bind((SOURCE[family], 0))
    s.connect((LOOPBACK[family], port))
    return s


def read_all(s):
    digest, body = hashlib.sha256(), b""
    while data := s.recv(65536):
        digest.update(data)
        body = body[-1024:] + data
    return digest, body


def get(family, path):
    """The digest of the answer's body, and its end."""
    with connect(family, 80) as s:
        s.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = s.recv(1)
            if not byte:
                raise EOFError
            head += byte
        return read_all(s)


def page(family):
    return get(family, "/")[1] in (b"edge-gw-01\n", b"edge-gw-02\n")


def download(family):
    return get(family, "/slow")[0].hexdigest() == BIG_DIGEST


def upload(family):
    with connect(family, 37) as s:
        for offset in range(0, len(UPLOAD), 8192):
            s.sendall(UPLOAD[offset:offset + 8192])
            time.sleep(0.015)
        s.shutdown(socket.SHUT_WR)
        return read_all(s)[1].decode() == hashlib.sha256(UPLOAD).hexdigest()


def outcome_of(exchange, family):
    try:
        return "good" if exchange(family) else "damaged"
    except (ConnectionResetError, ConnectionRefusedError, BrokenPipeError):
        return "reset"
    except TimeoutError:
        return "timeout"
    except EOFError:
        return "damaged"
    except OSError as e:
        return f"error {e.strerror}"


def connections(talk, exchange, pause):
    while not stop.wait(pause):
        start = time.time()
        talk.sent += 1
        outcome = outcome_of(exchange, talk.family)
        if outcome == "good":
            talk.good += 1
        else:
            talk.bad(start, outcome)


# ---- All at once ---------------------------------------------------------------------------------------------------


def ping(talk):
    echo = {4: (8, socket.IPPROTO_ICMP), 6: (128, socket.IPPROTO_ICMPV6)}[talk.family]
    datagrams(talk, 56, 0.1, bytes((echo[0], 0, 0, 0, 0, 0, 0, 1)), echo[1])


KINDS = {
    "beat": lambda talk: datagrams(talk, 64, 0.02),
    "fragment": lambda talk: datagrams(talk, 3000, 0.2),
    "ping": ping,
    "fresh": fresh,
    "page": lambda talk: connections(talk, page, 0.4),
    "download": lambda talk: connections(talk, download, 1),
    "upload": lambda talk: connections(talk, upload, 1),
}

signal.signal(signal.SIGTERM, lambda *_: stop.set())
talks = [Talk(kind, family) for kind in sys.argv[6:] for family in (4, 6)]
threads = [threading.Thread(target=KINDS[talk.kind], args=(talk,)) for talk in talks]
for thread in threads:
    thread.start()
for thread in threads:
    while thread.is_alive():
        thread.join(0.5)  # a join without a time would keep the signal waiting
for talk in talks:
    talk.total()
say("done")
