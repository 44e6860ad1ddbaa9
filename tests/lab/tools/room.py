#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Room in the UDP sockets of another process, for what comes while a busy machine does not let it run: wireguard-go asks
for none, and the kernel's default is a hundred packets. Ends with status 1 as long as it has not both its sockets.

    room.py PID
"""
import ctypes
import os
import socket
import sys

SYS_PIDFD_GETFD, SO_RCVBUFFORCE = 438, 33
libc = ctypes.CDLL(None)
pid = int(sys.argv[1])
process = os.pidfd_open(pid)
found = 0
for fd in os.listdir(f"/proc/{pid}/fd"):
    if not os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:"):
        continue
    with socket.socket(fileno=libc.syscall(SYS_PIDFD_GETFD, process, int(fd), 0)) as s:
        if s.type == socket.SOCK_DGRAM and s.family in (socket.AF_INET, socket.AF_INET6):
            s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
            found += 1
sys.exit(found < 2)
