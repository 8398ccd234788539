"""Tests that use what tests use: files, threads, processes, sockets, an event loop."""

import asyncio
import socket
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor

from greeter import greet
from greeter.store import remember


def test_greet():
    assert greet("world") == "Hello, world!"


def test_threads():
    results = []
    threads = [threading.Thread(target=lambda n=n: results.append(greet(str(n)))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8


def test_processes():
    with ProcessPoolExecutor(max_workers=2) as pool:
        assert list(pool.map(greet, ["a", "b"])) == ["Hello, a!", "Hello, b!"]


def test_subprocess():
    done = subprocess.run([sys.executable, "-m", "greeter", "x"], capture_output=True, text=True)
    assert done.stdout == "Hello, x!\n"


def test_event_loop():
    async def main():
        await asyncio.sleep(0.01)
        process = await asyncio.create_subprocess_exec("true")
        return await process.wait()

    assert asyncio.run(main()) == 0


def test_sockets():
    server = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(server.getsockname())
    accepted, _ = server.accept()
    client.sendall(b"hello")
    assert accepted.recv(5) == b"hello"
    for one in (client, accepted, server):
        one.close()


def test_store(tmp_path):
    assert remember(str(tmp_path / "db"), ["a", "b"]) == 2
    assert remember(str(tmp_path / "db"), ["c"]) == 3
