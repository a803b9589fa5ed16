// The npm package ws. It has the WebSocket API of the web and, beyond it, frames and pings.

import { once } from 'node:events';
import WebSocket from 'ws';
import { casesOf } from './cases.mjs';
import { env, matrix, run } from './harness.mjs';
import { Peer } from './peer.mjs';

const { payload, urls } = env;
const { expect, expectSame } = payload;

const connect = (url, { protocols = [], origin } = {}) => new Peer(new WebSocket(url, protocols, { origin }));

const open = async (url) => {
  const peer = connect(url);
  await peer.opened;
  return peer;
};

/** pieces cuts bytes into the matrix's fragments and a rest, wherever that falls in a character */
const pieces = (bytes) => {
  let at = 0;
  const cut = matrix.fragments.map((n) => bytes.subarray(at, (at += n)));
  return [...cut, bytes.subarray(at)];
};

const sendFragments = (socket, bytes, isBinary) => {
  const cut = pieces(bytes);
  cut.forEach((piece, i) => {
    socket.send(piece, { binary: isBinary, fin: i === cut.length - 1 });
    socket.ping(`after piece ${i}`); // RFC 6455 section 5.4: control frames may come in between
  });
};

const fragmented = async () => {
  const peer = await open(urls.large);
  const text = matrix.nonASCII.text.repeat(5000);
  let pongs = 0;
  peer.socket.on('pong', () => pongs++);
  sendFragments(peer.socket, Buffer.from(text), false);
  expectSame(await peer.receive(), text, 'text');
  const bytes = payload.binary(100_000);
  sendFragments(peer.socket, bytes, true);
  expectSame(await peer.receive(), bytes, 'binary');
  await peer.echo('behind the last ping');
  expect(pongs === 2 * (matrix.fragments.length + 1), `${pongs} pongs`);
  await peer.close(1000);
};

const ping = async () => {
  const peer = await open(urls.large);
  for (const n of matrix.pings) {
    const sent = Buffer.from(payload.binary(n));
    const pong = once(peer.socket, 'pong');
    peer.socket.ping(sent);
    const [received] = await pong;
    expect(sent.equals(received), `ping of ${n} bytes: the pong differs`);
  }
  await peer.close(1000);
};

const invalidUTF8 = async () => {
  for (const hex of matrix.invalidUTF8) {
    const peer = await open(urls.large);
    peer.socket.send(Buffer.from(hex, 'hex'), { binary: false });
    const { code } = await peer.closed;
    expect(code === 1007, `${hex}: closed with ${code}, not 1007`);
  }
};

/** handshakeStatus is the HTTP status that an opening handshake from an origin gets */
const handshakeStatus = (origin) => new Promise((resolve, reject) => {
  const socket = new WebSocket(urls.large, { origin });
  socket.on('error', reject);
  socket.on('upgrade', ({ statusCode }) => {
    resolve(statusCode);
    socket.on('open', () => socket.close());
  });
  socket.on('unexpected-response', (request, { statusCode }) => {
    resolve(statusCode);
    request.destroy();
  });
});

const origin = async () => {
  const own = await handshakeStatus(urls.large.replace(/^ws(.*)\/$/, 'http$1'));
  expect(own === 101, `own origin: ${own}`);
  const foreign = await handshakeStatus(matrix.foreignOrigin);
  expect(foreign === 403, `foreign origin: ${foreign}`);
};

await run('ws', { ...casesOf({ ...env, connect }), fragmented, ping, 'invalid-utf8': invalidUTF8, origin });
