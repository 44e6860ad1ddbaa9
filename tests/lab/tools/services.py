#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The services of an edge gateway, UDP but for one, each bound to the loopback's addresses (a wildcard socket would find no source).

    services.py NAME ADDRESS…

port    answers
   7    what it was sent (echo)
  17    its name, a blank, and what it was sent
  19    numbered datagrams: sent "COUNT MILLISECONDS", it sends COUNT of them, one every so many milliseconds
  23    that many bytes, that much later: sent "SIZE MILLISECONDS"
  33    with TTL (hop limit) 2, and then says on stdout which error its socket was told
  37    TCP: the SHA-256 of what was sent, when that has come to its end
9000    nothing
"""
import hashlib
import socket
import struct
import sys
import threading
import time

IP_FREEBIND, IP_RECVERR, IPV6_RECVERR, MSG_ERRQUEUE = 15, 11, 25, 0x2000
name = sys.argv[1]


def bound(address, port, kind=socket.SOCK_DGRAM):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    s = socket.socket(family, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    s.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
    s.bind((address, port))
    return s


def echo(s):
    while True:
        data, peer = s.recvfrom(65536)
        send(s, data, peer)


def quote(s):
    while True:
        data, peer = s.recvfrom(65536)
        send(s, name.encode() + b" " + data, peer)


def stream(s):
    while True:
        data, peer = s.recvfrom(65536)
        threading.Thread(target=numbers, args=(s, peer, *map(int, data.split())), daemon=True).start()


def numbers(s, peer, count, milliseconds):
    for number in range(count):
        send(s, b"%d" % number, peer)
        time.sleep(milliseconds / 1000)


def later(s):
    while True:
        data, peer = s.recvfrom(65536)
        size, milliseconds = map(int, data.split())
        threading.Timer(milliseconds / 1000, send, (s, b"." * size, peer)).start()


def short_lived(s):
    six = s.family == socket.AF_INET6
    if six:
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 2)
    else:
        s.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 2)
    while True:
        data, peer = receive_or_tell(s)
        if data:
            send(s, data, peer)


def receive_or_tell(s):
    try:
        return s.recvfrom(65536)
    except OSError:
        tell_errors(s)
        return None, None


def tell_errors(s):
    while True:
        try:
            _, ancillary, _, peer = s.recvmsg(2048, 512, MSG_ERRQUEUE | socket.MSG_DONTWAIT)
        except OSError:
            return
        for _, _, body in ancillary:
            _, _, kind, code = struct.unpack_from("=IBBB", body)
            print(f"error type {kind} code {code} about {peer[0]}", flush=True)


def digests(s):
    s.listen()
    while True:
        connection, _ = s.accept()
        threading.Thread(target=digest, args=(connection,), daemon=True).start()


def digest(connection):
    sha256 = hashlib.sha256()
    with connection:
        try:
            while data := connection.recv(65536):
                sha256.update(data)
            connection.sendall(sha256.hexdigest().encode())
        except OSError:  # the device tells what became of its connection
            pass


def mute(s):
    while True:
        s.recv(65536)


def send(s, data, peer):
    try:
        s.sendto(data, peer)
    except OSError as e:  # such as an error that an earlier datagram met
        print(f"sending to {peer[0]}: {e}", flush=True)


for address in sys.argv[2:]:
    for port, service in ((7, echo), (17, quote), (19, stream), (23, later), (33, short_lived), (9000, mute)):
        threading.Thread(target=service, args=(bound(address, port),), daemon=True).start()
    threading.Thread(target=digests, args=(bound(address, 37, socket.SOCK_STREAM),), daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
