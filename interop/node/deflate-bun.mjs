// Bun with permessage-deflate, as client and as server; to be run by Bun.

import { echoWay, obey } from './orders.mjs';
import { Peer } from './peer.mjs';
import { talk } from './talk.mjs';

if (!process.versions.bun) throw new Error('this is for Bun');

const client = (url, { tls }, spec) => {
  const socket = new WebSocket(url, tls && { tls: { ca: Bun.file(tls.ca) } });
  const ping = async (payload) => {
    const pong = new Promise((resolve) => socket.addEventListener('pong', resolve, { once: true }));
    socket.ping(payload);
    const { data } = await pong;
    if (Buffer.from(data).toString() !== payload) throw new Error('another pong');
  };
  return talk(new Peer(socket), spec, { ping });
};

const listen = async ({ native, tls }) => {
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    tls: tls && { cert: Bun.file(tls.cert), key: Bun.file(tls.key) },
    fetch: (request, server) => (server.upgrade(request) ? undefined : new Response('', { status: 400 })),
    websocket: {
      perMessageDeflate: native,
      maxPayloadLength: 16 << 20,
      backpressureLimit: 64 << 20,
      message: (socket, message) => {
        const way = typeof message === 'string' ? echoWay(Buffer.from(message.slice(0, 8))) : echoWay(message);
        socket.send(message, way !== 'plain');
      },
    },
  });
  return { host: `127.0.0.1:${server.port}`, stop: () => server.stop(true) };
};

await obey(client, listen);
