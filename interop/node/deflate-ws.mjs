// The npm package ws with permessage-deflate, as client and as server.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createPlain } from 'node:http';
import { createServer as createSecure } from 'node:https';
import WebSocket, { WebSocketServer } from 'ws';
import { echoWay, obey } from './orders.mjs';
import { Peer } from './peer.mjs';
import { talk } from './talk.mjs';

/** compression is the options of ws for parameters; a window of 1 is a parameter without a value */
const compression = (options) => ({
  serverNoContextTakeover: options.server_no_context_takeover,
  clientNoContextTakeover: options.client_no_context_takeover,
  serverMaxWindowBits: options.server_max_window_bits,
  threshold: 0,
});

const client = async (url, options, spec) => {
  const bits = options.client_max_window_bits;
  const clientMaxWindowBits = bits === 1 ? true : bits ?? false;
  const ca = options.tls && readFileSync(options.tls.ca);
  const socket = new WebSocket(url, { ca, perMessageDeflate: { ...compression(options), clientMaxWindowBits } });
  const can = {
    ping: async (payload) => {
      const pong = once(socket, 'pong');
      socket.ping(payload);
      const [received] = await pong;
      if (received.toString() !== payload) throw new Error('another pong');
    },
    plain: (message) => socket.send(message, { compress: false }),
    pieces: (pieces) => sendPieces(socket, pieces, false),
  };
  // Its property "extensions" has the names alone.
  let agreed;
  socket.on('upgrade', ({ headers }) => { agreed = headers['sec-websocket-extensions'] ?? ''; });
  return { ...await talk(new Peer(socket), spec, can), extensions: agreed };
};

const sendPieces = (socket, pieces, binary) => {
  pieces.forEach((piece, i) => {
    socket.send(piece, { binary, fin: i === pieces.length - 1 });
    socket.ping('between pieces');
  });
};

const listen = async (options) => {
  const perMessageDeflate = { ...compression(options), clientMaxWindowBits: options.client_max_window_bits };
  const { tls } = options;
  const http = tls ? createSecure({ cert: readFileSync(tls.cert), key: readFileSync(tls.key) }) : createPlain();
  const server = new WebSocketServer({ server: http, perMessageDeflate });
  server.on('connection', (socket) => {
    socket.on('error', () => {});
    socket.on('message', (data, binary) => {
      const way = echoWay(data);
      if (way === 'pieces') sendPieces(socket, [data.subarray(0, 1), data.subarray(1, 300), data.subarray(300)], binary);
      else socket.send(data, { binary, compress: way !== 'plain' });
    });
  });
  await once(http.listen(0, '127.0.0.1'), 'listening');
  const stop = () => new Promise((resolve) => {
    for (const socket of server.clients) socket.terminate();
    server.close();
    http.close(resolve);
  });
  return { host: `127.0.0.1:${http.address().port}`, stop };
};

await obey(client, listen);
