// undici with permessage-deflate. It inflates, and has no options.

import { WebSocket } from 'undici';
import { obey } from './orders.mjs';
import { Peer } from './peer.mjs';
import { talk } from './talk.mjs';

await obey((url, _, spec) => talk(new Peer(new WebSocket(url)), spec));
