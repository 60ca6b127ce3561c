"""Network namespaces, each with the far end of one TAP device, and nothing else but loopback: no packet can leave them.

They have no names, and so leave nothing behind: a namespace lives as long as a process runs in it or holds its file, and a TAP
as long as its file is open. Whoever made them may be killed at any moment.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.wires.switch import mac_of

TUN: Final = Path("/dev/net/tun")
MTU_BYTES: Final = 1500
LINK: Final = "wire"
SUBNET: Final = "10.77.0"

CLONE_NEWNET: Final = 0x40000000
TUNSETIFF: Final = 0x400454CA
TUNSETCARRIER: Final = 0x400454E2
IFF_TAP: Final = 0x0002
IFF_NO_PI: Final = 0x1000

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
# Version 6 has addresses of its own choosing, and would go on when version 4 does not.
_NO_VERSION_6: Final = Path("/proc/sys/net/ipv6/conf/all/disable_ipv6")


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine on a port of the switch: the file of its namespace, and the switch's end of its cable."""

    port: int
    namespace: int
    tap: int

    def plug(self, *, is_in: bool) -> None:
        """Give or take the carrier: the kernel of the machine sees its cable pulled."""
        fcntl.ioctl(self.tap, TUNSETCARRIER, struct.pack("i", is_in))


def what_is_missing() -> str:
    """Which tool is not installed that makes namespaces, in a sentence; empty if none is."""
    if shutil.which("ip") is None or shutil.which("nsenter") is None:
        return "needs ip and nsenter (apt-get install iproute2 util-linux), to make network namespaces"
    return ""


def what_is_refused() -> str:
    """Why no namespace with a TAP can be had although the tools are there, in a sentence; empty if one can."""
    if os.geteuid() != 0:
        return "needs root, to make network namespaces"
    if not TUN.exists():
        return f"needs {TUN}, to make network devices: load the kernel module tun, or pass the device into the container"
    try:
        os.close(os.open(TUN, os.O_RDWR))
    except OSError as error:
        return (
            f"{TUN} cannot be opened although we are root ({error.strerror}): allow the container this device"
        )
    return ""


def address_of(port: int) -> str:
    return f"{SUBNET}.{port + 1}"


def make_machine(port: int) -> Machine:
    """A new namespace for the machine at `port`. The calling process must have one thread; it is back in its own after that."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _call("unshare", CLONE_NEWNET)
        try:
            tap = os.open(TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            wish = struct.pack("16sH22x", LINK.encode(), IFF_TAP | IFF_NO_PI)
            fcntl.ioctl(tap, TUNSETIFF, wish)
            _configure(port)
            return Machine(port, os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC), tap)
        finally:
            _call("setns", own, CLONE_NEWNET)
    finally:
        os.close(own)


def _configure(port: int) -> None:
    if _NO_VERSION_6.exists():
        _NO_VERSION_6.write_text("1")
    steps = f"""
        link set lo up
        link set {LINK} address {mac_of(port).hex(":")} mtu {MTU_BYTES} up
        address add {address_of(port)}/24 dev {LINK}
    """
    subprocess.run(["ip", "-batch", "-"], input=steps, text=True, check=True, capture_output=True)


def _call(name: str, *numbers: int) -> None:
    if getattr(_LIBC, name)(*numbers) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {errno.errorcode.get(number, number)}: {os.strerror(number)}")
