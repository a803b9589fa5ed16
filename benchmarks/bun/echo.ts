// Bun's own server, as its documentation's page on WebSockets: an echo, or with -broadcast a topic that
// all clients subscribe to. Compression is off, as by default, unless -deflate or -deflate-takeover ask for it; the idle timeout
// of two minutes is off. With -tls-cert and -tls-key it speaks TLS.

import { parseArgs } from 'node:util';

// Go's flags have one dash, these two.
const args = process.argv.slice(2).map((arg) => arg.replace(/^-(?=\w\w)/, '--'));
const { values } = parseArgs({
  args,
  options: {
    addr: { type: 'string', default: '127.0.0.1:0' },
    broadcast: { type: 'boolean', default: false },
    deflate: { type: 'boolean', default: false },
    'deflate-takeover': { type: 'boolean', default: false },
    'tls-cert': { type: 'string' },
    'tls-key': { type: 'string' },
  },
});
const [hostname, port] = values.addr!.split(':');
const topic = 'all';

// Bun compresses a message if it is told to with it, whatever its length. With takeover each connection has a compressor and
// a decompressor of its own, else all share one.
const takeover = values['deflate-takeover']!;
const deflate = values.deflate! || takeover;

const secure = values['tls-cert'] !== undefined;

const server = Bun.serve({
  hostname,
  port: Number(port),
  tls: secure ? { cert: Bun.file(values['tls-cert']!), key: Bun.file(values['tls-key']!) } : undefined,
  fetch(request, server) {
    if (!server.upgrade(request)) return new Response('Upgrade Required', { status: 426 });
  },
  websocket: {
    perMessageDeflate: takeover ? { compress: 'dedicated', decompress: 'dedicated' } : deflate,
    idleTimeout: 0,
    open(socket) {
      if (values.broadcast) socket.subscribe(topic);
    },
    message(socket, message) {
      if (values.broadcast) server.publish(topic, message, deflate);
      else socket.send(message, deflate);
    },
  },
});

console.log(`listening on ${server.hostname}:${server.port}`);
