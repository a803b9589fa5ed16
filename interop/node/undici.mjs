// The npm package undici, which is also what Node's own WebSocket is made of.

import { subscribe } from 'node:diagnostics_channel';
import { WebSocket } from 'undici';
import { casesOf } from './cases.mjs';
import { env, run } from './harness.mjs';
import { Peer } from './peer.mjs';

const { expect } = env.payload;

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

await run('undici', { ...cases, origin });
