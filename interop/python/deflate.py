"""Python websockets with permessage-deflate, as client and as server. It carries out the orders of ../deflate's tests:
a line of JSON each, and a line of JSON in return."""

import asyncio
import json
import logging
import ssl
import sys

import websockets
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)

from talk import Talk


def parameters(options):
    """The factories' arguments. A window of 1 is a parameter without a value."""
    bits = options.get("client_max_window_bits")
    return {
        "server_no_context_takeover": options.get("server_no_context_takeover", False),
        "client_no_context_takeover": options.get("client_no_context_takeover", False),
        "server_max_window_bits": options.get("server_max_window_bits"),
        "client_max_window_bits": True if bits == 1 else bits,
    }


def trust(options):
    """The context of a client that trusts the authority of the order alone; None without TLS."""
    return ssl.create_default_context(cafile=options["tls"]["ca"]) if "tls" in options else None


def certified(options):
    """The context of a server; None without TLS."""
    if "tls" not in options:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(options["tls"]["cert"], options["tls"]["key"])
    return context


def agreed(ws):
    """What the connection says was agreed."""
    return ws.response_headers.get("Sec-WebSocket-Extensions", "")


def uncompressed(ws):
    """Return a send that leaves a message as it is. The library has no such option, so its extension is away meanwhile;
    it is called between messages only."""

    async def send(message):
        encode = PerMessageDeflate.encode
        PerMessageDeflate.encode = lambda self, frame: frame
        try:
            await ws.send(message)
        finally:
            PerMessageDeflate.encode = encode

    return send


async def talk(order):
    factory = ClientPerMessageDeflateFactory(**parameters(order["options"]))
    told = {"extensions": "", "messages": 0, "similar": 0, "error": ""}
    one = None
    try:
        async with websockets.connect(
            order["url"],
            ssl=trust(order["options"]),
            extensions=[factory],
            compression=None,
            max_size=None,
            ping_interval=None,
        ) as ws:
            told["extensions"] = agreed(ws)
            one = Talk(ws, uncompressed(ws))
            await one.run(order["talk"])
    except Exception as error:  # whatever the library raises is the result
        told["error"] = f"{type(error).__name__}: {error}"
    if one:
        told.update(messages=one.messages, similar=one.first_similar)
    return told


async def echo(ws):
    async for message in ws:
        head = message[:7] if isinstance(message, str) else ""
        if head.startswith("plain:"):
            await uncompressed(ws)(message)
        elif head == "pieces:":
            await ws.send([message[:1], "", message[1:300], message[300:]])
        else:
            await ws.send(message)


async def listen(order):
    factory = ServerPerMessageDeflateFactory(**parameters(order["options"]))
    return await websockets.serve(
        echo,
        "127.0.0.1",
        0,
        ssl=certified(order["options"]),
        extensions=[factory],
        compression=None,
        max_size=None,
        ping_interval=None,
    )


async def obey():
    server, loop = None, asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order, reply = json.loads(line), {}
        if order["do"] == "talk":
            reply = await talk(order)
        else:
            if server:
                server.close()
                await server.wait_closed()
            server = await listen(order) if order["do"] == "listen" else None
            if server:
                reply["host"] = "127.0.0.1:%d" % server.sockets[0].getsockname()[1]
        print(json.dumps(reply), flush=True)


logging.disable()  # refusals are part of it
asyncio.run(obey())
