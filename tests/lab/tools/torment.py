#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A bad network in front of the array's channel: what comes to port 6083 of an address goes on to its port 6082, but for
what is lost, twice what is doubled, and late, so that others overtake it, what is delayed. (nft sends here what was meant
for 6082; datagrams are known by their seals and not by who sends them.) Ends by SIGTERM and says what it did.

    torment.py ADDRESS LOSS DOUBLED DELAYED MILLISECONDS      the first three in percent
"""
import heapq
import random
import select
import signal
import socket
import sys
import time

address, *numbers = sys.argv[1:]
loss, doubled, delayed, milliseconds = map(int, numbers)
counts = {"heard": 0, "lost": 0, "doubled": 0, "overtaken": 0}
waiting = []  # (when it goes on, its number, datagram)
newest = 0


def end(*_):
    print(*(f"{name} {count}" for name, count in counts.items()), flush=True)
    sys.exit(0)


def hold(number, datagram):
    late = random.uniform(0, milliseconds / 1000) if random.randrange(100) < delayed else 0
    heapq.heappush(waiting, (time.monotonic() + late, number, datagram))


def hear(number, datagram):
    counts["heard"] += 1
    if random.randrange(100) < loss:
        counts["lost"] += 1
        return
    hold(number, datagram)
    if random.randrange(100) < doubled:
        counts["doubled"] += 1
        hold(number, datagram)


def carry_on(out):
    global newest
    while waiting and waiting[0][0] <= time.monotonic():
        _, number, datagram = heapq.heappop(waiting)
        counts["overtaken"] += number < newest
        newest = max(newest, number)
        out.sendto(datagram, (address, 6082))


signal.signal(signal.SIGTERM, end)
channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
channel.bind((address, 6083))
print("ready", flush=True)
for count in range(1 << 62):
    patience = max(0, waiting[0][0] - time.monotonic()) if waiting else None
    if select.select([channel], [], [], patience)[0]:
        hear(count, channel.recv(65536))
    carry_on(channel)
