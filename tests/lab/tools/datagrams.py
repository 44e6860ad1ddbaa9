#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Recordings of what gateways tell each other, and what somebody could make of them.

    datagrams.py record INTERFACE ADDRESS FILE COUNT
        waits for so many datagrams to ADDRESS, UDP port 6082, that leave by INTERFACE, and writes their frames down
    datagrams.py replay INTERFACE FILE
        sends them again as they were
    datagrams.py forge INTERFACE FILE
        sends them with a bit of the sealed part turned over, cut short, and as noise of the same size
"""
import json
import os
import socket
import sys

ETHERNET, PORT = 14, 6082
OUTGOING = 4  # of sockaddr_ll, packet(7)


def opened(interface):
    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sniffer.bind((interface, 0))
    return sniffer


def is_wanted(frame, address):
    if frame[12:14] != b"\x08\x00" or frame[23] != socket.IPPROTO_UDP:
        return False
    return frame[30:34] == socket.inet_aton(address) and int.from_bytes(frame[36:38], "big") == PORT


def record(interface, address, file, count):
    sniffer, frames = opened(interface), []
    while len(frames) < int(count):
        frame, origin = sniffer.recvfrom(2048)
        if origin[2] == OUTGOING and is_wanted(frame, address):
            frames.append(frame.hex())
    with open(file, "w", encoding="ascii") as stream:
        json.dump(frames, stream)


def recorded(file):
    with open(file, encoding="ascii") as stream:
        return [bytes.fromhex(frame) for frame in json.load(stream)]


def with_payload(frame, payload):
    """The frame of another datagram; UDP over IPv4 needs no checksum, but right lengths and IP's own sum."""
    head = bytearray(frame[: ETHERNET + 28])
    head[16:18] = (28 + len(payload)).to_bytes(2, "big")
    head[24:26] = b"\0\0"
    words = sum(int.from_bytes(head[i : i + 2], "big") for i in range(ETHERNET, ETHERNET + 20, 2))
    while words >> 16:
        words = (words & 0xFFFF) + (words >> 16)
    head[24:26] = (words ^ 0xFFFF).to_bytes(2, "big")
    head[38:40] = (8 + len(payload)).to_bytes(2, "big")
    head[40:42] = b"\0\0"
    return bytes(head) + payload


def forgeries(frame):
    payload = frame[ETHERNET + 28 :]
    turned = payload[:-1] + bytes([payload[-1] ^ 1])
    for other in (turned, payload[: len(payload) // 2], os.urandom(len(payload))):
        yield with_payload(frame, other)


def send(interface, frames):
    sender, count = opened(interface), 0
    for frame in frames:
        sender.send(frame)
        count += 1
    print(count)


def main(verb, *arguments):
    if verb == "record":
        record(*arguments)
    elif verb == "replay":
        send(arguments[0], recorded(arguments[1]))
    elif verb == "forge":
        send(arguments[0], (forged for frame in recorded(arguments[1]) for forged in forgeries(frame)))
    else:
        sys.exit(__doc__)


main(*sys.argv[1:])
