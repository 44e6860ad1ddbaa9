#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Looks for the test's secrets: secrets.py FOLDER files FILE... | secrets.py FOLDER memory PID [BUT]

FOLDER holds wg.key, array.key, bgp.password and acme.psk. Each is looked for as it stands in its file, as its bytes and in
hexadecimal. Says what it finds, and where, and ends with 1 then; with 2 when there was nothing to look at. BUT is the
file of a secret that may be there."""
import base64
import re
import sys


def read(path):
    with open(path, "rb") as file:
        return file.read()


def forms(folder):
    """Name and bytes of everything that is not to be found."""
    for name in ("wg.key", "array.key", "bgp.password", "acme.psk"):
        text = read(f"{folder}/{name}").split()[-1]  # the array's key stands behind its number
        raw = text if name == "bgp.password" else base64.b64decode(text)
        yield name, text
        yield f"{name} (bytes)", raw
        yield f"{name} (hexadecimal)", raw.hex().encode()
        yield f"{name} (HEXADECIMAL)", raw.hex().upper().encode()
        yield f"{name} (base64)", base64.b64encode(raw)[:-4]
        if name == "wg.key":  # as X25519 wants it: RFC 7748, 5
            clamped = bytes([raw[0] & 248]) + raw[1:31] + bytes([raw[31] & 127 | 64])
            yield f"{name} (clamped)", clamped
            yield f"{name} (clamped, hexadecimal)", clamped.hex().encode()


def areas(pid):
    """All that a process has mapped and a core dump would hold."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            start, end, rights = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line).groups()
            if not rights.startswith("r") or line.rstrip().endswith(("[vvar]", "[vsyscall]")):
                continue
            memory.seek(int(start, 16))
            try:
                yield line.strip(), memory.read(int(end, 16) - int(start, 16))
            except OSError:
                pass  # gone meanwhile, or a device's


def texts(kind, names):
    if kind == "files":
        for name in names:
            yield name, read(name)
    else:
        yield from areas(int(names[0]))


def main():
    folder, kind, *names = sys.argv[1:]
    allowed = names[1:] if kind == "memory" else []
    wanted = [(name, secret) for name, secret in forms(folder) if len(secret) >= 16 and name.split()[0] not in allowed]
    found, looked_at = set(), 0
    for place, text in texts(kind, names):
        looked_at += len(text)
        for name, secret in wanted:
            if (at := text.find(secret)) >= 0:
                found.add(f"{name} at {at} of {place}")
    print("; ".join(sorted(found)) or f"nothing in {looked_at} bytes")
    return 1 if found else 0 if looked_at else 2


sys.exit(main())
