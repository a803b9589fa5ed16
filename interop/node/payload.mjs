// Payloads that show where they were cut, repeated or shifted. No imports: the browser
// gets this file as the text of an inline script.

const alphabet = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ';

/** @returns {string} ASCII text of n bytes; 8191 is prime, so no power of two is a period */
export const text = (n) => {
  const period = Array.from({ length: 8191 }, (_, i) => alphabet[(i * i + i) % alphabet.length]).join('');
  return period.repeat(Math.ceil(n / period.length)).slice(0, n);
};

/** @returns {Uint8Array} n bytes of every value */
export const binary = (n) => {
  const bytes = new Uint8Array(n);
  for (let i = 0; i < n; i++) bytes[i] = (i * 31) ^ (i >> 8) ^ (i >> 16);
  return bytes;
};

/** fails with what was expected, unless it is so */
export const expect = (holds, what) => {
  if (!holds) throw new Error(what);
};

/** compares a received message, an ArrayBuffer or a string, with the one that was sent */
export const expectSame = (received, sent, what) => {
  if (typeof sent === 'string') {
    expect(typeof received === 'string', `${what}: not a text message`);
    expect(received === sent, `${what}: the text differs`);
    return;
  }
  expect(received instanceof ArrayBuffer, `${what}: not a binary message`);
  const bytes = new Uint8Array(received);
  expect(bytes.length === sent.length, `${what}: ${bytes.length} bytes instead of ${sent.length}`);
  const at = bytes.findIndex((b, i) => b !== sent[i]);
  expect(at < 0, `${what}: byte ${at} differs`);
};
