// The cases that the WebSocket API of the web can express, for every client that has it.
// No imports: the browser gets this file as the text of an inline script.

/**
 * The cases of the matrix, by feature.
 *
 * @param {object} env
 * @param {object} env.matrix matrix.json
 * @param {{large: string, default: string}} env.urls the servers
 * @param {object} env.payload the exports of payload.mjs
 * @param {function} env.connect (url, {protocols, origin}) => Peer, still connecting
 * @param {function} env.leave tells the large server to shut down
 */
export const casesOf = ({ matrix, urls, payload, connect, leave }) => {
  const { expect, expectSame } = payload;

  const open = async (url, options) => {
    const peer = connect(url, options);
    await peer.opened;
    return peer;
  };

  const expectClose = (end, code, what) => {
    expect(end.code === code, `${what}: closed with ${end.code}, not ${code}`);
    expect(end.wasClean, `${what}: the close was not clean`);
  };

  const echoSizes = async (make) => {
    const peer = await open(urls.large);
    for (const n of matrix.sizes) expectSame(await peer.echo(make(n)), make(n), `${n} bytes`);
    expectClose(await peer.close(1000), 1000, 'after the messages');
  };

  return {
    text: () => echoSizes(payload.text),
    binary: () => echoSizes(payload.binary),

    'non-ascii': async () => {
      const peer = await open(urls.large);
      for (const times of matrix.nonASCII.times) {
        const sent = matrix.nonASCII.text.repeat(times);
        expectSame(await peer.echo(sent), sent, `${times} times`);
      }
      expectClose(await peer.close(1000), 1000, 'after the messages');
    },

    pipelined: async () => {
      const peer = await open(urls.large);
      const sent = (i) => (i % 2 ? `${i} ${payload.text((i * 7) % 700)}` : payload.binary(i));
      for (let i = 0; i < matrix.pipelined; i++) peer.socket.send(sent(i));
      for (let i = 0; i < matrix.pipelined; i++) expectSame(await peer.receive(), sent(i), `message ${i}`);
      expectClose(await peer.close(1000), 1000, 'after the messages');
    },

    close: async () => {
      for (const { code, reason } of matrix.closes) {
        const peer = await open(urls.large);
        expectClose(await peer.close(code, reason), code, `close with ${code}`);
      }
    },

    'no-status': async () => {
      const peer = await open(urls.large);
      expectClose(await peer.close(), 1005, 'close without a code');
    },

    'too-big': async () => {
      const peer = await open(urls.default);
      expectSame(await peer.echo(payload.binary(matrix.limit)), payload.binary(matrix.limit), 'at the limit');
      peer.socket.send(payload.binary(matrix.limit + 1));
      expectClose(await peer.closed, 1009, 'over the limit');
    },

    subprotocol: async () => {
      const agreed = await open(urls.large, { protocols: matrix.offered });
      expect(agreed.socket.protocol === matrix.agreed, `agreed on "${agreed.socket.protocol}"`);
      expectSame(await agreed.echo('agreed'), 'agreed', 'a message');
      await agreed.close(1000);
      const none = await open(urls.large);
      expect(none.socket.protocol === '', `agreed on "${none.socket.protocol}" though nothing was offered`);
      await none.close(1000);
    },

    // The API tells nothing of a refusal, so what shows is that the foreign origin alone makes
    // the difference. Clients that see the status go further.
    origin: async () => {
      const foreign = connect(urls.large, { origin: matrix.foreignOrigin });
      const opened = await foreign.opened.then(() => true, () => false);
      expect(!opened, 'a foreign origin was accepted');
      const own = await open(urls.large, { origin: urls.large.replace(/^ws(.*)\/$/, 'http$1') });
      expectSame(await own.echo('own'), 'own', 'a message');
      await own.close(1000);
    },

    'going-away': async () => {
      const peer = await open(urls.large);
      expectSame(await peer.echo('before'), 'before', 'a message');
      await leave();
      expectClose(await peer.closed, 1001, 'shut down');
    },
  };
};
