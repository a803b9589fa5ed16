// The npm package undici, or with the argument "node" the WebSocket of Node itself, which is made of some undici.

import { subscribe } from 'node:diagnostics_channel';
import * as undici from 'undici';
import { casesOf } from './cases.mjs';
import { env, run } from './harness.mjs';
import { Peer } from './peer.mjs';

const { expect } = env.payload;
const own = process.argv[2] === 'node';
const { WebSocket } = own ? globalThis : undici;

const connect = (url, { protocols = [], origin } = {}) =>
  new Peer(new WebSocket(url, { protocols, headers: origin ? { origin } : {} }));

const cases = casesOf({ ...env, connect });

// The API hides the status of a refusal, undici's diagnostics do not.
const origin = async () => {
  const refusals = [];
  subscribe('undici:request:headers', ({ response }) => refusals.push(response.statusCode));
  await cases.origin();
  expect(refusals.join() === '403,101', `a foreign origin and the own: status ${refusals.join() || 'unknown'}`);
};

await run(own ? 'node' : 'undici', { ...cases, origin });
