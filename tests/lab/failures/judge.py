#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What an event was to one device that kept asking.

    judge.py EVENT ADDRESS ASKED WITNESSED        prints  MOVED_MS SILENT_MS BACK_MS LOST SENT STALL_MS HOLE

ASKED      beat's lines:     TIME request NUMBER, TIME reply NUMBER …
WITNESSED  witness's lines:  LOCAL TIME INTERFACE In IP SOURCE > DESTINATION: …

moved   from the event to the device's first answer after one came by another tunnel than the last one before the event did;
        "-": none did
silent  the longest time between two answers, from shortly before the event on: the doing is not in it, the devices' interval is
back    from the event to the first answer behind the last request that was lost; 0: none was lost
lost    requests that were sent when the event was there, or on their way then, and not answered in a second; those of the last
        second are not looked at
stall   the longest time between two requests: what is longer than their interval the machine took for others
hole    "hole": of the last fifth of a second, of those that are looked at, not even half were answered
"""
import sys

ON_THE_WAY, LATE, LAST = 0.1, 1, 0.2  # s


def asked(path):
    requests, replies = {}, {}
    for line in open(path):
        time, what, number = line.split()[:3]
        (requests if what == "request" else replies).setdefault(int(number), float(time))
    end = max(requests.values()) - LATE
    return {n: t for n, t in requests.items() if t < end}, {n: t for n, t in replies.items() if t < requests[n] + LATE}


def answers(path, address):
    """(time, (local gateway, interface)) of each that came to the address, in order."""
    for line in open(path, errors="replace"):
        word = line.split()
        if len(word) > 7 and word[3] == "In" and word[7].startswith(address + "."):
            yield float(word[1]), (word[0], word[2])


def first_at(times, since):
    return min((t for t in times if t >= since), default=None)


def moved(event, ways, replies):
    before = [way for time, way in ways if time < event]
    other = first_at((time for time, way in ways if before and way != before[-1]), event)
    return other and first_at(replies.values(), other)


def back(requests, replies):
    lost = [number for number in requests if number not in replies]
    return lost and first_at((replies[n] for n in replies if n > max(lost)), 0)


def longest(times):
    return max((b - a for a, b in zip(times, times[1:])), default=0)


def milliseconds(time, event):
    return f"{max(time - event, 0) * 1000:.0f}" if time else "-"


def main():
    event, address = float(sys.argv[1]), sys.argv[2]
    requests, replies = asked(sys.argv[3])
    ways = sorted(answers(sys.argv[4], address))
    since = {n: t for n, t in requests.items() if t >= event - ON_THE_WAY}
    lost = [n for n in since if n not in replies]
    last = [n for n, t in requests.items() if t >= max(requests.values()) - LAST]
    hole = sum(n in replies for n in last) < len(last) / 2
    print(
        milliseconds(moved(event, ways, replies), event),
        f"{longest(sorted(t for t in replies.values() if t >= event - ON_THE_WAY)) * 1000:.0f}",
        "0" if not lost else milliseconds(back(since, replies), event),
        len(lost),
        len(since),
        f"{longest(sorted(since.values())) * 1000:.0f}",
        "hole" if hole else "-",
    )


main()
