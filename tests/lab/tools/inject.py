#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Packets that no honest stack would send, by scapy.

    inject.py response MAC SOURCE SOURCE_PORT DESTINATION PORT SIZE
        a UDP datagram in an Ethernet frame out of br0: an inside host speaks in the loopback's name
    inject.py fragments in|out MAC SOURCE SOURCE_PORT DESTINATION PORT SIZE
        the same in fragments, in order or the last one first
    inject.py spoof COUNT DESTINATION SOURCE…
        COUNT packets each of UDP, TCP and ping from every source, routed as this machine routes
    inject.py noise PER_SECOND DESTINATION SOURCE…
        the same at this pace until SIGTERM, and says how many they were
"""
import itertools
import logging
import signal
import sys
import time

logging.getLogger("scapy").setLevel(logging.ERROR)  # it misses routes that these frames do not need

from scapy.all import (ICMP, IP, TCP, UDP, Ether, ICMPv6EchoRequest, IPv6, IPv6ExtHdrFragment, Raw, conf, fragment, fragment6,
                       send, sendp)

conf.verb = 0
FRAGMENT = 1280


def ip(source, destination):
    return IPv6(src=source, dst=destination) if ":" in source else IP(src=source, dst=destination, id=4711)


def datagram(source, source_port, destination, port, size):
    return ip(source, destination) / UDP(sport=int(source_port), dport=int(port)) / Raw(b"." * int(size))


def response(mac, *flow):
    sendp(Ether(dst=mac) / datagram(*flow), iface="br0")


def fragments(order, mac, *flow):
    whole = datagram(*flow)
    if IPv6 in whole:
        whole[IPv6].payload = IPv6ExtHdrFragment(id=4711) / whole[IPv6].payload
        pieces = fragment6(IPv6(bytes(whole)), FRAGMENT)
    else:
        pieces = fragment(whole, FRAGMENT // 8 * 8)
    if order == "out":
        pieces = pieces[::-1]
    sendp([Ether(dst=mac) / piece for piece in pieces], iface="br0")


def spoofed(destination, sources):
    packets = []
    for source in sources:
        ping = ICMPv6EchoRequest() if ":" in source else ICMP()
        for upper in (UDP(sport=5000, dport=7), TCP(sport=5000, dport=80, flags="S"), ping):
            packets.append(ip(source, destination) / upper)
    return packets


def spoof(count, destination, *sources):
    send(spoofed(destination, sources) * int(count))


def noise(per_second, destination, *sources):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    packets, sent = spoofed(destination, sources), 0
    s = conf.L3socket6() if ":" in destination else conf.L3socket()
    try:
        for packet in itertools.cycle(packets):
            s.send(packet)
            sent += 1
            time.sleep(1 / int(per_second))
    finally:
        print("sent", sent, flush=True)


{"response": response, "fragments": fragments, "spoof": spoof, "noise": noise}[sys.argv[1]](*sys.argv[2:])
