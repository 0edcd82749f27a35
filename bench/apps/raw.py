"""How fast the load client can be: the bare loop's text from plain sockets, with no server: `python raw.py PORT`"""

import json
import selectors
import socket
import sys
import time

from peer_bare import CHANGE

text = CHANGE.encode()
FRAME = bytes([0x81, 126]) + len(text).to_bytes(2) + text
ACCEPT = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def commands(data):
    """Return the texts of some small masked frames, whose mask is zero."""
    found = []
    while data:
        length = data[1] & 0x7F
        found.append(data[6 : 6 + length].decode())
        data = data[6 + length :]
    return found


def serve(port):
    selector, listening, told = selectors.DefaultSelector(), socket.create_server(("127.0.0.1", port)), set()
    listening.listen(1_000)
    selector.register(listening, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listening:
                new, _ = listening.accept()
                new.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(new, selectors.EVENT_READ)
                continue
            try:
                data = key.fileobj.recv(1 << 16)
            except ConnectionError:
                data = b""
            if not data:
                told.discard(key.fileobj)
                selector.unregister(key.fileobj)
                key.fileobj.close()
            elif data.startswith(b"GET"):
                key.fileobj.sendall(ACCEPT)
                if b"/control" not in data.split(b"\r\n", 1)[0]:
                    told.add(key.fileobj)
            else:
                for command in commands(data):
                    if command == "status":
                        status = {"cpu_s": time.process_time(), "resident_kb": 0, "queries": {}}
                        answer = json.dumps(status).encode()
                        key.fileobj.sendall(bytes([0x81, len(answer)]) + answer)
                    else:
                        for one in told:
                            one.send(FRAME)


serve(int(sys.argv[1]))
