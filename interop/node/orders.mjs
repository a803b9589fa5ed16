// Carries out the orders of ../deflate's tests: a line of JSON each, and a line of JSON in return. It ends when they do.

import { createInterface } from 'node:readline';

/**
 * @param {function} talk (url, options, spec) => what talk.mjs returns
 * @param {function} [listen] (options) => {host, stop}
 */
export const obey = async (talk, listen) => {
  let server;
  const carryOut = async (order) => {
    if (order.do === 'talk') return talk(order.url, order.options, order.talk);
    await server?.stop();
    server = order.do === 'listen' ? await listen(order.options) : undefined;
    return { host: server?.host };
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const reply = await carryOut(JSON.parse(line)).catch((error) => ({ error: error.message }));
    console.log(JSON.stringify(reply));
  }
  process.exit(0);
};

/** echoWay says how a server is to echo a message that begins like this */
export const echoWay = (bytes) => /^(plain|pieces):/.exec(Buffer.from(bytes.slice(0, 8)).toString('latin1'))?.[1];
