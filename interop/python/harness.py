"""Runs the cases of one client, says how each went, and notes it for the summary."""

import asyncio
import json
import os
import pathlib
import ssl
import sys

MATRIX = json.loads((pathlib.Path(__file__).parent.parent / "matrix.json").read_text("utf-8"))

# It ends a case that waits for ever; nothing is measured with it.
CASE_SECONDS = 60


def variable(name):
    value = os.environ.get(name)
    if not value:
        sys.exit(f"{name} is not set: run this by run.sh")
    return value


LARGE = variable("INTEROP_LARGE")
DEFAULT = variable("INTEROP_DEFAULT")


def trust():
    """The TLS context for wss, which trusts the authority of run.sh alone; None for ws."""
    return ssl.create_default_context(cafile=variable("INTEROP_CA")) if LARGE.startswith("wss:") else None


def text(n):
    """ASCII text of n bytes; 8191 is prime, so no power of two is a period."""
    alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 "
    period = "".join(alphabet[(i * i + i) % len(alphabet)] for i in range(8191))
    return (period * (n // len(period) + 1))[:n]


def binary(n):
    """n bytes of every value, in a period that is no power of two."""
    period = bytes((i * 31 ^ i >> 8) & 255 for i in range(8191))
    return (period * (n // len(period) + 1))[:n]


def expect(holds, what):
    if not holds:
        raise AssertionError(what)


async def outcome(reason, body):
    """Run one feature: ok, cannot or failed, and why."""
    if reason and body:
        return "failed", "the matrix says that it cannot, but there is a case"
    if reason:
        return "cannot", reason
    if not body:
        return "failed", "there is no case"
    try:
        await asyncio.wait_for(body(), CASE_SECONDS)
    except Exception as error:  # whatever a client raises is the result of the case
        return "failed", f"{type(error).__name__}: {error}"
    return "ok", ""


async def run(client, cases):
    """Run every feature of the matrix, in its order; return whether all went well."""
    name = client + ("/wss" if LARGE.startswith("wss:") else "")
    cannot = MATRIX["cannot"].get(client, {})
    features = [f["id"] for f in MATRIX["features"] if client in f.get("only", [client])]
    expect(set(cases) <= set(features), "the matrix does not have a case of this client")
    well = True
    with open(variable("INTEROP_RESULTS"), "a", encoding="utf-8") as results:
        for feature in features:
            result, why = await outcome(cannot.get(feature), cases.get(feature))
            why = " ".join(why.split())
            well = well and result != "failed"
            print("  ".join(filter(None, [name, feature, result, why])), flush=True)
            print(name, feature, result, why, sep="\t", file=results)
    return well
