"""What a client says to try permessage-deflate. ../deflate/talk_test.go does the same in Go."""

import random

ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
WORDS = ["wave", "Ωμέγα", "✓", "水の", "𝄞", "größer", "слово", " ", "the"]


def expect(holds, what):
    if not holds:
        raise AssertionError(what)


class Talk:
    """One talk over an open connection."""

    def __init__(self, ws, plain):
        self.ws = ws
        self.plain = plain  # sends a message uncompressed
        self.random = random.Random(1)
        self.messages = 0
        self.first_similar = 0

    async def run(self, spec):
        for n in spec["sizes"]:
            messages = [self.mixed(n), self.records(n), self.random.randbytes(n)]
            for message in messages:
                await self.ws.send(message)
            # The library ends this wait only for a pong with the payload of the ping.
            await (await self.ws.ping(spec["ping"]))
            for message in messages:
                await self.expect(message)
        self.first_similar = self.messages
        await self.similar(spec["similar"])
        for _ in range(spec["rounds"]):
            await self.echo("plain:" + self.mixed(400), self.plain)
            await self.echo("pieces:" + self.mixed(900))
            await self.echo(self.mixed(3000), self.pieces)
            await self.similar(3)
        await self.similar(10)
        await self.ws.close()
        expect(self.ws.close_code == 1000, f"closed with {self.ws.close_code}")

    async def echo(self, message, send=None):
        await (send or self.ws.send)(message)
        await self.expect(message)

    async def expect(self, message):
        received = await self.ws.recv()
        expect(received == message, f"another message came back for one of {len(message)}")
        self.messages += 1

    async def similar(self, n):
        token = "".join(self.random.choices(ALPHABET, k=140))
        for i in range(n):
            await self.ws.send(f"{token}{i}")
        for i in range(n):
            await self.expect(f"{token}{i}")

    async def pieces(self, message):
        await self.ws.send([message[:1], message[1:1500], "", message[1500:]])

    def mixed(self, n):
        """n bytes of text in several scripts."""
        text, length = [], 0
        while length < n:
            word = self.random.choice(WORDS)
            if length + len(word.encode()) > n:
                word = "."
            text.append(word)
            length += len(word.encode())
        return "".join(text)

    def records(self, n):
        """n bytes that compress as data does."""
        data = bytearray()
        while len(data) < n:
            data += b'{"id":%d,"price":%d.25,"side":"buy"}\0\xff' % (len(data), self.random.randrange(1000))
        return bytes(data[:n])
