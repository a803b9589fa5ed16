// The npm package ws, as its README's examples: an echo, or with -broadcast every message to all clients.
// Its optional bufferutil is installed. Compression is off, as by default.

import { parseArgs } from 'node:util';
import { WebSocket, WebSocketServer } from 'ws';

// Go's flags have one dash, these two.
const args = process.argv.slice(2).map((arg) => arg.replace(/^-(?=\w\w)/, '--'));
const { values } = parseArgs({
  args,
  options: { addr: { type: 'string', default: '127.0.0.1:0' }, broadcast: { type: 'boolean', default: false } },
});
const [host, port] = values.addr.split(':');

const server = new WebSocketServer({ host, port: Number(port), perMessageDeflate: false }, () => {
  const { address, port } = server.address();
  console.log(`listening on ${address}:${port}`);
});

server.on('connection', (socket) => {
  socket.on('error', () => socket.terminate());
  socket.on('message', (data, binary) => {
    if (!values.broadcast) return socket.send(data, { binary });
    for (const client of server.clients) {
      if (client.readyState === WebSocket.OPEN) client.send(data, { binary });
    }
  });
});
