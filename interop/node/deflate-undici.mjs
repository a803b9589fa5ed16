// undici with permessage-deflate. It inflates, and has no options.

import { readFileSync } from 'node:fs';
import { Agent, WebSocket } from 'undici';
import { obey } from './orders.mjs';
import { Peer } from './peer.mjs';
import { talk } from './talk.mjs';

await obey((url, { tls }, spec) => {
  const dispatcher = tls && new Agent({ connect: { ca: readFileSync(tls.ca) } });
  return talk(new Peer(new WebSocket(url, { dispatcher })), spec);
});
