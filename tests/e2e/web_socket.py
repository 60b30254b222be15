"""A WebSocket client of some lines (RFC 6455), for tests of live tails. Only the standard library."""
import base64
import os
import socket
import struct
import time
import urllib.parse


class Closed(Exception):
    """The other end closed: code (None without a close frame) and reason."""

    def __init__(self, code, reason):
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class WebSocket:
    """status is that of the handshake; body what came instead of an upgrade."""

    def __init__(self, port, path, params, headers=None, receive_buffer=None, upgrade=True):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(60)
        self.socket.connect(("127.0.0.1", port))
        head = f"GET {path}?{urllib.parse.urlencode(params)} HTTP/1.1\r\nHost: localhost\r\n"
        if upgrade:
            key = base64.b64encode(os.urandom(16)).decode()
            head += f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
        for name, value in (headers or {}).items():
            head += f"{name}: {value}\r\n"
        self.socket.sendall((head + "\r\n").encode())
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            self._receive()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        self.status = int(head.split()[1])
        self.body = ""
        if self.status != 101:
            length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
            self.body = self._exactly(length).decode()

    def _receive(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise Closed(None, "end of stream")
        self.buffer += data

    def _exactly(self, n):
        while len(self.buffer) < n:
            self._receive()
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def _send(self, opcode, data):
        mask = os.urandom(4)
        self.socket.sendall(bytes([0x80 | opcode, 0x80 | len(data)]) + mask + bytes(c ^ mask[i % 4] for i, c in enumerate(data)))

    def message(self, timeout=30):
        """The next text message; None when none came in time. Raises Closed."""
        end = time.monotonic() + timeout
        while True:
            left = end - time.monotonic()
            if left <= 0:
                return None
            # A frame that has begun is read whole.
            if len(self.buffer) < 2:
                self.socket.settimeout(left)
                try:
                    self._receive()
                except (socket.timeout, TimeoutError):
                    return None
                continue
            self.socket.settimeout(60)
            first, second = self._exactly(2)
            size = second & 127
            if size == 126:
                size = struct.unpack(">H", self._exactly(2))[0]
            elif size == 127:
                size = struct.unpack(">Q", self._exactly(8))[0]
            data = self._exactly(size)
            opcode = first & 15
            if opcode == 9:
                self._send(10, data)
            elif opcode == 8:
                raise Closed(struct.unpack(">H", data[:2])[0] if data else None, data[2:].decode())
            elif opcode == 1:
                return data.decode()

    def close(self):
        self.socket.close()
