"""Take away from this process what running wasm does not need: privileges, files, network, processes, memory.

Called by the child on itself. A step that the kernel lacks is noted with its reason instead of failing: the
engine's own sandbox stands in any case, and `node status` shows what is on.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
from typing import Final

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
NICE: Final = 10
ADDRESS_BYTES_MAX: Final = 16 * 1024**3
"""The engine reserves 4 GiB of addresses per memory; what can be written is bounded by the next."""
WRITABLE_BYTES_MAX: Final = 1024**3
FILES_MAX: Final = 16

_LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 444, 446
_FILE_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""Landlock ABI -> number of file-system rights that it knows (linux/landlock.h); later ABIs know 16."""

_SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC = 1, 1
_ALLOW, _DENY = 0x7FFF0000, 0x00050001  # SECCOMP_RET_ALLOW; SECCOMP_RET_ERRNO | EPERM

_CALLS: Final = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "fstat": (5, 80),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "futex": (202, 98),
    "nanosleep": (35, 101),
    "clock_nanosleep": (230, 115),
    "clock_gettime": (228, 113),
    "getrandom": (318, 278),
    "getrusage": (98, 165),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "membarrier": (324, 283),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "restart_syscall": (219, 128),
    "exit": (60, 93),
    "exit_group": (231, 94),
}
"""System call -> its number on x86_64 and on aarch64: enough for engine and interpreter; nothing here
opens a file, a socket or a process."""

_MACHINES: Final = {
    "x86_64": (0xC000003E, 317, sorted(n for n, _ in _CALLS.values())),
    "aarch64": (0xC00000B7, 277, sorted(n for _, n in _CALLS.values())),
}
"""Machine -> (AUDIT_ARCH, number of seccomp(2), allowed calls)."""

_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """SIGKILL when the parent's thread ends, whatever ends it; exits when that has happened already."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def lower_priority() -> None:
    """Give way to the node; be the first to go when memory is short."""
    os.nice(NICE)
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("500")
    except OSError:
        pass  # a courtesy that some kernels refuse


def restrict() -> dict[str, str]:
    """Apply all steps to the calling thread's process; name of the step -> "on" or "off: reason"."""
    return {
        "no_new_privs": _no_new_privs(),
        "landlock": _landlock(),
        "rlimits": _limits(),
        "seccomp": _seccomp(),
    }


def _no_new_privs() -> str:
    return _verdict(_LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def _limits() -> str:
    bounds = {
        resource.RLIMIT_AS: ADDRESS_BYTES_MAX,
        resource.RLIMIT_DATA: WRITABLE_BYTES_MAX,
        resource.RLIMIT_NOFILE: FILES_MAX,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
    }
    refused = []
    for which, bound in bounds.items():
        _, hard = resource.getrlimit(which)
        most = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        try:
            resource.setrlimit(which, (most, most))
        except (OSError, ValueError) as error:
            refused.append(f"{which} {error}")
    return "off: " + ", ".join(refused) if refused else "on"


def _landlock() -> str:
    """No file, TCP port, signal or abstract socket beyond this process, as far as Landlock goes."""
    abi = _LIBC.syscall(_LANDLOCK_CREATE, None, 0, 1)
    if abi < 1:
        return f"off: {os.strerror(ctypes.get_errno())}"
    files = (1 << _FILE_RIGHTS.get(abi, 16)) - 1
    fields = [files, 0b11 if abi >= 4 else 0, 0b11 if abi >= 6 else 0]
    rules = struct.pack("<3Q", *fields)[: 8 if abi < 4 else 16 if abi < 6 else 24]
    ruleset = _LIBC.syscall(_LANDLOCK_CREATE, rules, len(rules), 0)
    if ruleset < 0:
        return f"off: {os.strerror(ctypes.get_errno())}"
    done = _LIBC.syscall(_LANDLOCK_RESTRICT, ruleset, 0)
    os.close(ruleset)
    return _verdict(done)


def _seccomp() -> str:
    machine = os.uname().machine
    if machine not in _MACHINES or struct.calcsize("P") != 8:
        return f"off: no list of system calls for {machine}"
    arch, number, calls = _MACHINES[machine]
    program = ctypes.create_string_buffer(_filter(arch, calls))
    count = (len(program) - 1) // 8
    header = struct.pack("<HxxxxxxQ", count, ctypes.addressof(program))
    return _verdict(_LIBC.syscall(number, _SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC, header))


def _filter(arch: int, allowed: list[int]) -> bytes:
    """Classic BPF: another architecture and every call off the list get EPERM."""
    load, equal, answer = 0x20, 0x15, 0x06
    steps = [(load, 0, 0, 4), (equal, 0, len(allowed) + 1, arch), (load, 0, 0, 0)]
    for position, call in enumerate(allowed):
        steps.append((equal, len(allowed) - position, 0, call))
    steps += [(answer, 0, 0, _DENY), (answer, 0, 0, _ALLOW)]
    return b"".join(struct.pack("<HBBI", *step) for step in steps)


def _verdict(result: int) -> str:
    return "on" if result == 0 else f"off: {os.strerror(ctypes.get_errno())}"
