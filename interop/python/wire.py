"""The Sans-I/O side of Python websockets over a socket, plain or with TLS.

It frames and masks as the asyncio client does, and lets a caller choose what the
asyncio client decides by itself: where a message is cut, bytes that are not text, a
Close frame without a code.
"""

import socket
from urllib.parse import urlsplit

from websockets.uri import parse_uri

try:
    from websockets.client import ClientProtocol
except ImportError:  # before version 11
    from websockets.client import ClientConnection as ClientProtocol


class Wire:
    """An open connection. A receive that gets nothing for a minute fails."""

    def __init__(self, url, context=None):
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=60)
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname=parts.hostname)
        self.protocol = ClientProtocol(parse_uri(url), max_size=None)
        self.events = []
        self.protocol.send_request(self.protocol.connect())
        self.flush()
        response = self.receive()
        if response.status_code != 101:
            raise ConnectionError(f"status {response.status_code}")

    def flush(self):
        """Send what the protocol has to say."""
        for data in self.protocol.data_to_send():
            if data:
                self.socket.sendall(data)

    def receive(self):
        """Return the next event: the response, then frames. None is the end."""
        while not self.events:
            data = self.socket.recv(65536)
            if not data:
                self.protocol.receive_eof()
                return None
            self.protocol.receive_data(data)
            self.events += self.protocol.events_received()
        return self.events.pop(0)

    def closed(self):
        """Read to the end, answering what must be answered, and return the code."""
        while self.receive() is not None:
            self.flush()
        self.socket.close()
        return self.protocol.close_code
