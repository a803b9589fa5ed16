// The npm package ws, as its README's examples: an echo, or with -broadcast every message to all clients.
// Its optional bufferutil is installed. Compression is off, as by default, unless -deflate or -deflate-takeover ask for it.

import { parseArgs } from 'node:util';
import { WebSocket, WebSocketServer } from 'ws';

// Go's flags have one dash, these two.
const args = process.argv.slice(2).map((arg) => arg.replace(/^-(?=\w\w)/, '--'));
const { values } = parseArgs({
  args,
  options: {
    addr: { type: 'string', default: '127.0.0.1:0' },
    broadcast: { type: 'boolean', default: false },
    deflate: { type: 'boolean', default: false },
    'deflate-takeover': { type: 'boolean', default: false },
  },
});
const [host, port] = values.addr.split(':');

// The settings of the README's section on compression, but for the window of 1 KiB, which is there to show the option.
// With takeover, messages of all lengths are compressed.
const takeover = values['deflate-takeover'];
const perMessageDeflate = (values.deflate || takeover) && {
  zlibDeflateOptions: { chunkSize: 1024, memLevel: 7, level: 3 },
  zlibInflateOptions: { chunkSize: 10 * 1024 },
  clientNoContextTakeover: takeover ? undefined : true,
  serverNoContextTakeover: takeover ? undefined : true,
  concurrencyLimit: 10,
  threshold: 1024,
};

const server = new WebSocketServer({ host, port: Number(port), perMessageDeflate }, () => {
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
