"""A steady load, through which nothing may fail: requests at a fixed rate, most of them on
connections that last as long as the load, the rest each on a connection of its own."""

import asyncio
import os
import socket

from .checks import PATIENCE, check
from .programs import WEB_UID

LASTING = 10            # connections that stay
OWN_CONNECTION = 0.2    # of the requests
PATIENCE_OF_A_CALLER = 10


class Load:
    """Runs from its making on; stop() says what became of it."""

    def __init__(self, host, rate=500, uid=WEB_UID, name="api.mesh", port=80):
        self.host, self.rate = host, rate
        self._stop, self._tell = os.pipe()
        self._call = host.background(lambda: _run(self._stop, rate, name, port), uid)

    def stop(self):
        os.write(self._tell, b"!")
        result = self._call.result(60)
        for descriptor in (self._stop, self._tell):
            os.close(descriptor)
        return result

    def check_nothing_failed(self):
        result = self.stop()
        check(result["failed"] == 0, f"{result['failed']} of {result['sent']} requests failed: "
              f"{result['errors']}")
        # A slow machine makes the caller late, and then it hurries.
        least = 0.9 * self.rate * result["seconds"] / PATIENCE
        check(result["sent"] >= least, f"only {result['sent']} requests in {result['seconds']:.0f} s")
        return result


def _run(stop, rate, name, port):
    address = socket.getaddrinfo(name, port)[0][4][:2]
    return asyncio.run(_carry(stop, rate, address))


async def _carry(stop, rate, address):
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(stop, ended.set)
    counts = {"sent": 0, "failed": 0, "errors": []}
    began = loop.time()
    lasting = rate * (1 - OWN_CONNECTION) / LASTING
    await asyncio.gather(*(_lasting(address, lasting, ended, counts) for _ in range(LASTING)),
                         _single(address, rate * OWN_CONNECTION, ended, counts))
    return counts | {"seconds": loop.time() - began}


def _failed(counts, error):
    counts["failed"] += 1
    if len(counts["errors"]) < 5:
        counts["errors"].append(repr(error))


async def _ask(reader, writer, number):
    payload = b"%010d" % number
    writer.write(payload)
    answer = await asyncio.wait_for(reader.readexactly(len(payload)), PATIENCE_OF_A_CALLER * PATIENCE)
    if answer != payload:
        raise OSError(f"{answer!r} for {payload!r}")


async def _until(time, ended):
    loop = asyncio.get_running_loop()
    if loop.time() < time:
        try:
            await asyncio.wait_for(ended.wait(), time - loop.time())
        except asyncio.TimeoutError:
            pass


async def _lasting(address, rate, ended, counts):
    loop = asyncio.get_running_loop()
    reader = writer = None
    due = loop.time()
    while not ended.is_set():
        counts["sent"] += 1
        try:
            if writer is None:
                reader, writer = await asyncio.open_connection(*address)
            await _ask(reader, writer, counts["sent"])
        except (OSError, EOFError, asyncio.TimeoutError) as error:
            _failed(counts, error)
            if writer:
                writer.close()
            writer = None
        due += 1 / rate
        await _until(due, ended)
    if writer:
        writer.close()


async def _single(address, rate, ended, counts):
    async def one():
        counts["sent"] += 1
        writer = None
        try:
            reader, writer = await asyncio.open_connection(*address)
            await _ask(reader, writer, counts["sent"])
        except (OSError, EOFError, asyncio.TimeoutError) as error:
            _failed(counts, error)
        if writer:
            writer.close()

    loop, under_way = asyncio.get_running_loop(), set()
    due = loop.time()
    while not ended.is_set():
        task = asyncio.ensure_future(one())
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        due += 1 / rate
        await _until(due, ended)
    await asyncio.gather(*under_way)
