// Bun's own server, as its documentation's page on WebSockets: an echo, or with -broadcast a topic that
// all clients subscribe to. Compression is off, as by default; so is the idle timeout of two minutes.

import { parseArgs } from 'node:util';

// Go's flags have one dash, these two.
const args = process.argv.slice(2).map((arg) => arg.replace(/^-(?=\w\w)/, '--'));
const { values } = parseArgs({
  args,
  options: { addr: { type: 'string', default: '127.0.0.1:0' }, broadcast: { type: 'boolean', default: false } },
});
const [hostname, port] = values.addr!.split(':');
const topic = 'all';

const server = Bun.serve({
  hostname,
  port: Number(port),
  fetch(request, server) {
    if (!server.upgrade(request)) return new Response('Upgrade Required', { status: 426 });
  },
  websocket: {
    perMessageDeflate: false,
    idleTimeout: 0,
    open(socket) {
      if (values.broadcast) socket.subscribe(topic);
    },
    message(socket, message) {
      if (values.broadcast) server.publish(topic, message);
      else socket.send(message);
    },
  },
});

console.log(`listening on ${server.hostname}:${server.port}`);
