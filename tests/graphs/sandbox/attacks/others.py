"""Ways to the network and to other processes."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
from pathlib import Path

from .trying import DRIVER, LIBC, OUTSIDE, PORT, TERMINAL, VICTIM, attack, called


@attack
def connect_over_tcp() -> bool:
    with socket.create_connection(("127.0.0.1", PORT), timeout=5) as connected:
        connected.sendall(b"out")
    return True


@attack
def connect_over_ipv6() -> bool:
    with socket.create_connection(("::1", PORT), timeout=5) as connected:
        connected.sendall(b"out")
    return True


@attack
def send_over_udp() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        sending.sendto(b"out", ("127.0.0.1", PORT))
    return False  # The driver knows whether it came.


@attack
def ask_the_dns() -> bool:
    return bool(socket.getaddrinfo("example.com", 80))


@attack
def send_raw_packets() -> bool:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
    return True


@attack
def talk_to_the_hypervisor() -> bool:
    socket.socket(getattr(socket, "AF_VSOCK", 40), socket.SOCK_STREAM).close()
    return True


@attack
def connect_to_a_socket_in_a_file() -> bool:
    with socket.socket(socket.AF_UNIX) as connecting:
        connecting.connect(str(OUTSIDE / "home" / "docker.sock"))
        connecting.sendall(b"out")
    return True


@attack
def send_to_a_socket_in_a_file() -> bool:
    one, _other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.sendto(b"out", str(OUTSIDE / "home" / "log.sock"))
    return True


@attack
def connect_to_an_abstract_socket() -> bool:
    with socket.socket(socket.AF_UNIX) as connecting:
        connecting.connect("\0" + os.environ["ABSTRACT"])
        connecting.sendall(b"out")
    return True


@attack
def read_the_environment_of_another() -> bool:
    return b"hush" in Path(f"/proc/{VICTIM}/environ").read_bytes()


@attack
def read_the_environment_of_assay() -> bool:
    return b"hush" in Path(f"/proc/{DRIVER}/environ").read_bytes()


@attack
def read_the_environment_of_its_parent() -> bool:
    return b"hush" in Path(f"/proc/{os.getppid()}/environ").read_bytes() or os.getppid() > 1


@attack
def read_the_memory_of_another() -> bool:
    os.open(f"/proc/{VICTIM}/mem", os.O_RDONLY)
    return True


@attack
def follow_the_descriptors_of_another() -> bool:
    return bool(os.listdir(f"/proc/{VICTIM}/fd"))


@attack
def trace_another() -> bool:
    called(LIBC.ptrace(16, VICTIM, 0, 0))
    LIBC.ptrace(17, VICTIM, 0, 0)
    return True


@attack
def signal_another() -> bool:
    os.kill(VICTIM, 0)
    return True


@attack
def end_another() -> bool:
    os.kill(VICTIM, signal.SIGKILL)
    return True


@attack
def end_assay() -> bool:
    os.kill(DRIVER, 0)
    return True


@attack
def end_the_keeper() -> bool:
    parent = os.getppid()
    for number in (signal.SIGSTOP, signal.SIGKILL):
        os.kill(parent, number)
    return os.getppid() != parent


@attack
def end_another_by_a_handle() -> bool:
    signal.pidfd_send_signal(os.pidfd_open(VICTIM), signal.SIGKILL)
    return True


@attack
def end_another_by_owning_a_pipe() -> bool:
    reading, writing = os.pipe()
    fcntl.fcntl(reading, 10, signal.SIGKILL)  # F_SETSIG
    fcntl.fcntl(reading, fcntl.F_SETOWN, VICTIM)
    fcntl.fcntl(reading, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    os.write(writing, b"x")
    return False  # The driver knows whether it was ended.


@attack
def end_everybody() -> bool:
    """What it may signal is ended: itself spared, that must be nobody."""
    os.kill(-1, signal.SIGKILL)
    return True


@attack
def open_another_terminal() -> bool:
    os.open(TERMINAL, os.O_RDWR)
    return True


@attack
def type_into_a_terminal() -> bool:
    opened = os.open(TERMINAL, os.O_RDWR)
    fcntl.ioctl(opened, 0x5412, b"x")
    return True


@attack
def type_into_its_own_terminal() -> bool:
    opened = os.open("/dev/tty", os.O_RDWR)
    fcntl.ioctl(opened, 0x5412, b"x")
    return True
