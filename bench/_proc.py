"""What processes cost, as the kernel counts it: CPU and memory of a process with all its descendants, bytes on loopback."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
NEW_NETWORK = 0x40000000
NEW_USER = 0x10000000


def family(pid: int) -> list[int]:
    """The process and its living descendants."""
    found = [pid]
    for one in found:
        try:
            for task in os.listdir(f"/proc/{one}/task"):
                text = Path(f"/proc/{one}/task/{task}/children").read_text(encoding="ascii")
                found += [int(child) for child in text.split()]
        except OSError:
            continue
    return found


def cpu_s(pids: Iterable[int]) -> float:
    """CPU seconds of the processes, and of those of their children that have ended."""
    return sum(_spent_s(pid, (11, 12, 13, 14)) for pid in pids)


def children_cpu_s(pid: int) -> float:
    """CPU seconds of the descendants of a process, those included that have ended."""
    return _spent_s(pid, (13, 14)) + cpu_s(family(pid)[1:])


def _spent_s(pid: int, fields: tuple[int, ...]) -> float:
    """The sum of these fields of `/proc/PID/stat` behind the name, in seconds; 0 of a process that is gone."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return sum(int(told[at]) for at in fields) / TICKS_PER_S


def pss_mb(pids: Iterable[int]) -> float:
    """Memory of the processes, pages that several share counted in parts (PSS)."""
    kib = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        kib += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kib * 1024 / 1e6


def loopback_bytes(pid: int) -> int:
    """Bytes sent so far on `lo` of the network namespace of that process, headers included."""
    for line in Path(f"/proc/{pid}/net/dev").read_text(encoding="ascii").splitlines():
        name, _, counts = line.partition(":")
        if name.strip() == "lo":
            return int(counts.split()[8])
    return 0


def enter_own_network() -> bool:
    """A network namespace of this process's own, with a loopback alone: what is counted there is ours. False: refused."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(NEW_NETWORK) != 0:
        if libc.unshare(NEW_NETWORK | NEW_USER) != 0:
            return False
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
    return _loopback_up()


def _loopback_up() -> bool:
    import fcntl
    import socket
    import struct

    get_flags, set_flags, up = 0x8913, 0x8914, 0x1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        answer = fcntl.ioctl(door, get_flags, struct.pack("16sH22x", b"lo", 0))
        (flags,) = struct.unpack_from("H", answer, 16)
        fcntl.ioctl(door, set_flags, struct.pack("16sH22x", b"lo", flags | up))
    return True


class PeakMemory:
    """Samples the memory of a process family while the block runs; `mb` is the largest sample."""

    def __init__(self, pid: int, every_s: float = 0.03) -> None:
        self._pid, self._every_s = pid, every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.mb = 0.0

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.is_set():
            self.mb = max(self.mb, pss_mb(family(self._pid)))
            time.sleep(self._every_s)
