"""machine → **line** → screen → conftest

The network between a browser and a server, which can be slow, and can be cut. (Chromium's own "offline" leaves
WebSockets that are open as they are.)
"""

import asyncio
import threading

from process import free_port


class Line:
    """Listens on a port of its own and carries bytes to `port` and back, each way in `delay_s` seconds."""

    def __init__(self, port, *, delay_s=0):
        self._target = port
        self._delay_s = delay_s
        self._listener = None
        self._carrying = set()  # tasks, one for each connection
        self._writers = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="line", daemon=True)
        self._thread.start()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._port = free_port()
        self.mend()
        self.url = f"http://127.0.0.1:{self._port}"

    def mend(self, port=None):
        """Whoever connects gets through; to the server on `port` from now on, if it is given."""
        self._target = port or self._target
        self._do(self._mend())

    def cut(self):
        """All connections are lost, with what was held, and new ones are refused."""
        self._do(self._cut())

    def hold(self):
        """What servers say does not arrive; what browsers say does."""
        self._do(self._hold())

    def release(self):
        """What was held arrives, and so does the rest."""
        self._do(self._release())

    def close(self):
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work):
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _mend(self):
        self._flowing.set()
        if self._listener is None:
            self._listener = await asyncio.start_server(self._carry, "127.0.0.1", self._port)

    async def _cut(self):
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for writer in self._writers:
            writer.transport.abort()
        self._flowing.set()  # into nothing
        await asyncio.gather(*self._carrying, return_exceptions=True)

    async def _hold(self):
        self._flowing.clear()

    async def _release(self):
        self._flowing.set()

    async def _carry(self, browser, to_browser):
        self._carrying.add(task := asyncio.current_task())
        writers = [to_browser]
        self._writers.add(to_browser)
        try:
            server, to_server = await asyncio.open_connection("127.0.0.1", self._target)
            writers.append(to_server)
            self._writers.add(to_server)
            async with asyncio.TaskGroup() as both:
                for ends in ((browser, to_server, None), (server, to_browser, self._flowing)):
                    way = asyncio.Queue()
                    both.create_task(self._depart(ends[0], way))
                    both.create_task(self._arrive(way, *ends[1:]))
        except* (OSError, EOFError):
            pass  # one end is gone, or the server does not answer: so is the other
        finally:
            for writer in writers:
                writer.transport.abort()
            self._writers.difference_update(writers)
            self._carrying.discard(task)

    async def _depart(self, reader, way):
        data = True
        while data:
            data = await reader.read(65_536)
            way.put_nowait((self._loop.time() + self._delay_s, data))

    async def _arrive(self, way, writer, flowing):
        while True:
            at, data = await way.get()
            await asyncio.sleep(at - self._loop.time())
            if flowing is not None:
                await flowing.wait()
            if not data:
                raise EOFError
            writer.write(data)
            await writer.drain()
