#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A device's side of a conversation with the loopback. Ends with an error text and status 1 when the answer is wrong.

    ask.py SOURCE LOOPBACK echo SIZE…            UDP port 7: every size comes back, byte for byte (a lost one is asked again)
    ask.py SOURCE LOOPBACK name [SOURCE_PORT]    UDP port 17: prints who answered
    ask.py SOURCE LOOPBACK crowd COUNT [FIRST]   UDP port 17 from as many ports, FIRST and up: each is answered
    ask.py SOURCE LOOPBACK refused               UDP to a closed port: the port-unreachable reaches this socket
    ask.py SOURCE LOOPBACK short-lived           UDP port 33: asks, and expects nothing (the answer dies on the way)
    ask.py SOURCE LOOPBACK web SIZE…             TCP: each size as the length of a request, then of a piece of /run/lab/big
    ask.py SOURCE LOOPBACK upload SECONDS        TCP port 37: for that long, or until SIGTERM; the digest that comes back is right
    ask.py SOURCE LOOPBACK stream COUNT MS       UDP port 19: asks once, then is silent; prints each number as it comes
    ask.py SOURCE LOOPBACK listen FROM TO TEXT   UDP: sends TEXT once, then prints the size of whatever comes
"""
import hashlib
import http.client
import os
import signal
import socket
import sys
import time

source, loopback, what, *arguments = sys.argv[1:]
TRIES = 8
EVERY = 0.02 * float(os.environ.get("PATIENCE", 1)) ** 2  # a piece of an upload: a slow machine has other things to do


def udp(port, source_port=0):
    s = socket.socket(socket.AF_INET6 if ":" in loopback else socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    s.bind((source, source_port))
    s.connect((loopback, port))
    s.settimeout(1)
    return s


def answer_to(s, question):
    """The first tries may die of a path MTU that is only being learnt."""
    for _ in range(TRIES):
        try:
            s.send(question)
            while True:
                answer = s.recv(65536)
                if answer.endswith(question[-8:]):
                    return answer
        except (TimeoutError, OSError):
            continue
    sys.exit(f"no answer to {len(question)} bytes from {source} in {TRIES} tries")


def echo(sizes):
    s = udp(7)
    for size in map(int, sizes):
        question = os.urandom(size)
        if answer_to(s, question) != question:
            sys.exit(f"the echo of {size} bytes differs")


def name(source_port="0"):
    print(answer_to(udp(17, int(source_port)), os.urandom(16))[:-17].decode())


def crowd(count, first="0"):
    for s in [udp(17, int(first) and int(first) + n) for n in range(int(count))]:
        answer_to(s, os.urandom(16))
        s.close()


def refused():
    s = udp(9)
    for _ in range(TRIES):
        try:
            s.send(b"?")
            s.recv(1)
        except ConnectionRefusedError:
            return
        except TimeoutError:
            continue
    sys.exit("no port-unreachable came")


def short_lived():
    s = udp(33)
    s.settimeout(0.3)
    s.send(b"?")
    try:
        s.recv(1)
    except TimeoutError:
        return
    sys.exit("the answer with TTL 2 came through three routers")


def web(sizes):
    with open("/run/lab/big", "rb") as f:
        big = f.read(1 << 16)
    c = http.client.HTTPConnection(loopback, 80, timeout=10, source_address=(source, 0))
    for size in map(int, sizes):
        # A request of about that many bytes; then as many bytes of the file.
        c.request("GET", "/big?" + "x" * max(0, min(size, 8000) - 150), headers={"Range": f"bytes=0-{size - 1}"})
        if c.getresponse().read() != big[:size]:
            sys.exit(f"{size} bytes by TCP came damaged")


def upload(seconds):
    family = socket.AF_INET6 if ":" in loopback else socket.AF_INET
    sha256 = hashlib.sha256()
    end = time.monotonic() + float(seconds)
    enough = []
    signal.signal(signal.SIGTERM, lambda *_: enough.append(True))
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(60)
        s.bind((source, 0))
        s.connect((loopback, 37))
        while time.monotonic() < end and not enough:
            piece = os.urandom(8192)
            sha256.update(piece)
            s.sendall(piece)
            time.sleep(EVERY)
        s.shutdown(socket.SHUT_WR)
        if s.recv(64, socket.MSG_WAITALL).decode() != sha256.hexdigest():
            sys.exit("what was sent arrived damaged")


def stream(count, milliseconds):
    s = udp(19)
    s.settimeout(30)
    s.send(f"{count} {milliseconds}".encode())
    number = -1
    while number < int(count) - 1:
        number = int(s.recv(64))
        print(number, flush=True)


def listen(source_port, port, text):
    s = udp(int(port), int(source_port))
    s.settimeout(30)
    s.send(text.encode())
    print("asked", flush=True)
    while True:
        print(len(s.recv(65536)), flush=True)


match what:
    case "echo":
        echo(arguments)
    case "name":
        name(*arguments)
    case "crowd":
        crowd(*arguments)
    case "refused":
        refused()
    case "short-lived":
        short_lived()
    case "web":
        web(arguments)
    case "upload":
        upload(*arguments)
    case "stream":
        stream(*arguments)
    case "listen":
        listen(*arguments)
