// Bun's own WebSocket; to be run by Bun. It adds ping and pong to the API of the web.

import { casesOf } from './cases.mjs';
import { env, matrix, run } from './harness.mjs';
import { Peer } from './peer.mjs';

if (!process.versions.bun) throw new Error('this is for Bun');

const { payload, urls } = env;

const connect = (url, { protocols = [], origin } = {}) =>
  new Peer(new WebSocket(url, { protocols, headers: origin ? { Origin: origin } : {} }));

const ping = async () => {
  const peer = connect(urls.large);
  await peer.opened;
  for (const n of matrix.pings) {
    const pong = new Promise((resolve) => peer.socket.addEventListener('pong', resolve, { once: true }));
    peer.socket.ping(payload.binary(n));
    const { data } = await pong;
    payload.expectSame(data, payload.binary(n), `ping of ${n} bytes`);
  }
  await peer.close(1000);
};

await run('bun', { ...casesOf({ ...env, connect }), ping });
