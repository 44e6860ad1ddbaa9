#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the kernel counts as dropped in a lab's machines, up to SIGTERM or the lab's end: a line whenever a counter has risen,

    TIME MACHINE COUNTER MORE        seconds of CLOCK_REALTIME

    drops.py LAB [PATIENCE]     its *.init files name a process of each machine, and machines may come and go; on a slow
                                machine it looks less often

A full socket is Udp.RcvbufErrors, a full queue eth0.tx.drop, a missing route Ip.OutNoRoutes, overtaken ESP
Xfrm.InStateSeqError.
"""
import glob
import os
import re
import signal
import sys
import time

EVERY = 0.5 * float((sys.argv[2:] or [1])[0]) ** 2
COUNTED = re.compile(r"(Udp|Ip)\w*\.\w*(Errors|Discards|Fails|NoRoutes)$|Xfrm\.")
lab = sys.argv[1]


def lines_of(pid, name):
    try:
        with open(f"/proc/{pid}/net/{name}") as f:
            return f.read().splitlines()
    except OSError:  # the machine has just been switched off
        return []


def devices(pid):
    for line in lines_of(pid, "dev")[2:]:
        name, numbers = line.split(":", 1)
        n = numbers.split()
        for way, at in (("rx", 2), ("tx", 10)):
            yield f"{name.strip()}.{way}.errors", int(n[at])
            yield f"{name.strip()}.{way}.drop", int(n[at + 1])


def protocols(pid):
    for file in ("snmp", "netstat"):
        lines = lines_of(pid, file)
        for names, values in zip(lines[::2], lines[1::2]):  # "Udp: InDatagrams …" above "Udp: 17 …"
            title, *keys = names.split()
            for key, value in zip(keys, values.split()[1:]):
                yield title.replace(":", ".") + key, int(value)
    for line in lines_of(pid, "snmp6"):
        key, value = line.split()
        yield key.replace("6", "6.", 1), int(value)
    for line in lines_of(pid, "xfrm_stat"):
        key, value = line.split()
        yield key.replace("Xfrm", "Xfrm.", 1), int(value)


def counters():
    for path in glob.glob(f"{lab}/*.init"):
        try:
            with open(path) as f:
                pid = f.read().strip()
        except OSError:
            continue
        machine = os.path.basename(path)[:-len(".init")]
        for name, value in devices(pid):
            yield (machine, pid, name), value
        for name, value in protocols(pid):
            if COUNTED.match(name):
                yield (machine, pid, name), value


def ends_within(seconds):
    return signal.sigtimedwait([signal.SIGTERM], seconds) is not None


signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
before, ends = dict(counters()), False
while before and not ends:
    ends = ends_within(EVERY)
    now = dict(counters())
    for key, value in now.items():
        if value > before.get(key, value):
            print(f"{time.time():.3f} {key[0]} {key[2]} {value - before[key]}", flush=True)
    before = now
