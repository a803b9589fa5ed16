"""Python websockets, Debian's package: its asyncio client, and where that decides too
much by itself its Sans-I/O side."""

import asyncio
import os
import signal
import sys

import websockets

from harness import DEFAULT, LARGE, MATRIX, binary, expect, run, text, trust, variable
from wire import Wire


def connect(url, **options):
    return websockets.connect(url, max_size=None, ping_interval=None, ssl=trust(), **options)


async def echo(ws, message, what):
    await ws.send(message)
    received = await ws.recv()
    expect(type(received) is type(message), f"{what}: {type(received).__name__} came back")
    expect(received == message, f"{what}: the message differs")


async def end_of(ws):
    """Wait for the end of a connection and return its code."""
    await ws.wait_closed()
    return ws.close_code


async def echo_all(messages):
    async with connect(LARGE) as ws:
        for message in messages:
            await echo(ws, message, f"length {len(message)}")
        await ws.close()
        expect(ws.close_code == 1000, f"closed with {ws.close_code}")


async def texts():
    await echo_all(text(n) for n in MATRIX["sizes"])


async def binaries():
    await echo_all(binary(n) for n in MATRIX["sizes"])


async def non_ascii():
    sample = MATRIX["nonASCII"]
    await echo_all(sample["text"] * times for times in sample["times"])


def cut(message):
    """Cut a message into the fragments of the matrix and a rest."""
    pieces, at = [], 0
    for n in MATRIX["fragments"]:
        pieces.append(message[at : at + n])
        at += n
    return pieces + [message[at:]]


async def fragmented():
    async with connect(LARGE) as ws:
        for message in (MATRIX["nonASCII"]["text"] * 10000, binary(100_000)):
            await ws.send(cut(message))
            expect(await ws.recv() == message, "the message differs")
    await asyncio.to_thread(fragmented_inside_characters)


def fragmented_inside_characters():
    """Cut characters in two, and send a ping between the pieces (RFC 6455 section 5.4)."""
    wire = Wire(LARGE, trust())
    message = (MATRIX["nonASCII"]["text"] * 5000).encode()
    first, *pieces = cut(message)
    wire.protocol.send_text(first, fin=False)
    for i, piece in enumerate(pieces):
        wire.protocol.send_ping(b"%d" % i)
        wire.protocol.send_continuation(piece, fin=i == len(pieces) - 1)
    wire.flush()
    for i in range(len(pieces)):
        expect(wire.receive().data == b"%d" % i, f"pong {i} differs")
    expect(wire.receive().data == message, "the message differs")
    wire.protocol.send_close(1000)
    wire.flush()
    code = wire.closed()
    expect(code == 1000, f"closed with {code}")


async def ping():
    async with connect(LARGE) as ws:
        for n in MATRIX["pings"]:
            # The library ends this wait only for a pong with the payload of the ping.
            await (await ws.ping(binary(n)))


async def pipelined():
    async with connect(LARGE) as ws:
        messages = [f"{i} {text(i * 7 % 700)}" if i % 2 else binary(i) for i in range(MATRIX["pipelined"])]
        sending = asyncio.gather(*(ws.send(message) for message in messages))
        for i, message in enumerate(messages):
            expect(await ws.recv() == message, f"message {i} differs")
        await sending


async def close():
    for how in MATRIX["closes"]:
        async with connect(LARGE) as ws:
            await ws.close(how["code"], how["reason"])
            expect(ws.close_code == how["code"], f"{how['code']}: closed with {ws.close_code}")


async def no_status():
    def run_wire():
        wire = Wire(LARGE, trust())
        wire.protocol.send_close()
        wire.flush()
        return wire.closed()

    code = await asyncio.to_thread(run_wire)
    expect(code == 1005, f"closed with {code}")


async def too_big():
    async with connect(DEFAULT) as ws:
        await echo(ws, binary(MATRIX["limit"]), "at the limit")
        await ws.send(binary(MATRIX["limit"] + 1))
        code = await end_of(ws)
        expect(code == 1009, f"closed with {code}")


async def invalid_utf8():
    def run_wire(payload):
        wire = Wire(LARGE, trust())
        wire.protocol.send_text(payload)
        wire.flush()
        return wire.closed()

    for digits in MATRIX["invalidUTF8"]:
        code = await asyncio.to_thread(run_wire, bytes.fromhex(digits))
        expect(code == 1007, f"{digits}: closed with {code}")


async def subprotocol():
    async with connect(LARGE, subprotocols=MATRIX["offered"]) as ws:
        expect(ws.subprotocol == MATRIX["agreed"], f"agreed on {ws.subprotocol}")
        await echo(ws, "agreed", "a message")
    async with connect(LARGE) as ws:
        expect(ws.subprotocol is None, f"agreed on {ws.subprotocol} though nothing was offered")


async def origin():
    async with connect(LARGE, origin=LARGE.replace("ws", "http", 1).rstrip("/")) as ws:
        await echo(ws, "own", "a message")
    try:
        async with connect(LARGE, origin=MATRIX["foreignOrigin"]):
            raise AssertionError("a foreign origin was accepted")
    except websockets.InvalidHandshake as refusal:
        # Version 14 keeps the whole response, earlier ones the status.
        response = getattr(refusal, "response", None)
        status = response.status_code if response else refusal.status_code
        expect(status == 403, f"a foreign origin: status {status}")


async def going_away():
    async with connect(LARGE) as ws:
        await echo(ws, "before", "a message")
        os.kill(int(variable("INTEROP_LARGE_PID")), signal.SIGTERM)
        code = await end_of(ws)
        expect(code == 1001, f"closed with {code}")


CASES = {
    "text": texts,
    "binary": binaries,
    "non-ascii": non_ascii,
    "fragmented": fragmented,
    "ping": ping,
    "pipelined": pipelined,
    "close": close,
    "no-status": no_status,
    "too-big": too_big,
    "invalid-utf8": invalid_utf8,
    "subprotocol": subprotocol,
    "origin": origin,
    "going-away": going_away,
}

if __name__ == "__main__":
    sys.exit(0 if asyncio.run(run("python", CASES)) else 1)
