// A browser as a client: fetches its orders, carries them out with its own WebSocket, and posts the replies.

import { Peer } from './peer.mjs';
import { talk } from './talk.mjs';

for (;;) {
  const order = await (await fetch('order')).json();
  const told = await talk(new Peer(new WebSocket(order.url)), order.talk);
  await fetch('reply', { method: 'POST', body: JSON.stringify(told) });
}
