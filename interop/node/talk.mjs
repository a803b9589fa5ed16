// What a client says to try permessage-deflate. ../deflate/talk_test.go does the same in Go. No dependencies: the
// browsers get this file.

const alphabet = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_';
const words = ['wave', 'Ωμέγα', '✓', '水の', '𝄞', 'größer', 'слово', ' ', 'the'];
const encoder = new TextEncoder();
const lengths = new Map(words.map((word) => [word, encoder.encode(word).length]));

/** generator makes payloads; each one begins with the same */
const generator = () => {
  let state = 2463534242;
  const random = (n) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
  };
  return {
    /** token is text in which nothing repeats */
    token: () => Array.from({ length: 140 }, () => alphabet[random(alphabet.length)]).join(''),
    /** mixed is text of n bytes in several scripts */
    mixed: (n) => {
      const chosen = [];
      for (let length = 0; length < n;) {
        const word = words[random(words.length)];
        const fits = length + lengths.get(word) <= n;
        chosen.push(fits ? word : '.');
        length += fits ? lengths.get(word) : 1;
      }
      return chosen.join('');
    },
    /** records is n bytes that compress as data does */
    records: (n) => {
      let text = '';
      while (text.length < n) text += `{"id":${text.length},"price":${random(1000)}.25,"side":"buy"}\0\u007f`;
      return encoder.encode(text).subarray(0, n);
    },
    /** noise is n bytes that do not compress */
    noise: (n) => Uint8Array.from({ length: n }, () => random(256)),
  };
};

const same = (a, b) => {
  if (typeof b === 'string') return a === b;
  if (!(a instanceof ArrayBuffer) || a.byteLength !== b.byteLength) return false;
  const bytes = new Uint8Array(a);
  return bytes.every((byte, i) => byte === b[i]);
};

/**
 * talk says all that spec wants, expects everything back, and closes.
 *
 * @param {Peer} peer see peer.mjs
 * @param {object} spec see matrix.json
 * @param {object} can ways to send that the client has beyond the API of the web: ping(payload), which waits for the
 *   pong; plain(message), uncompressed; pieces([bytes...]) as one text message
 * @returns {object} what it says of itself
 */
export const talk = async (peer, spec, can = {}) => {
  const { token, mixed, records, noise } = generator();
  const told = { extensions: '', messages: 0, similar: 0, error: '' };
  const expect = async (message) => {
    const received = await peer.receive();
    if (!same(received, message)) throw new Error(`another message came back for one of ${message.length}`);
    told.messages++;
  };
  const echo = async (message, send = (m) => peer.socket.send(m)) => {
    send(message);
    await expect(message);
  };
  const similar = async (n) => {
    const one = token();
    for (let i = 0; i < n; i++) peer.socket.send(one + i);
    for (let i = 0; i < n; i++) await expect(one + i);
  };
  const inPieces = (message) => {
    const bytes = encoder.encode(message);
    can.pieces([bytes.subarray(0, 1), bytes.subarray(1, 1500), new Uint8Array(), bytes.subarray(1500)]);
  };
  try {
    await peer.opened;
    told.extensions = peer.socket.extensions;
    for (const n of spec.sizes) {
      const messages = [mixed(n), records(n), noise(n)];
      for (const message of messages) peer.socket.send(message);
      await can.ping?.(spec.ping);
      for (const message of messages) await expect(message);
    }
    told.similar = told.messages;
    await similar(spec.similar);
    for (let i = 0; i < spec.rounds; i++) {
      await echo(`plain:${mixed(400)}`, can.plain);
      await echo(`pieces:${mixed(900)}`);
      await echo(mixed(3000), can.pieces && inPieces);
      await similar(3);
    }
    await similar(10);
    const { code, wasClean } = await peer.close(1000);
    if (code !== 1000 || !wasClean) throw new Error(`closed with ${code}, clean: ${wasClean}`);
  } catch (error) {
    told.error = `after ${told.messages} messages: ${error.message}`;
    if (peer.socket.readyState < 2) peer.socket.close();
  }
  return told;
};
