// Prints the flags that matrix.json gives a server, one a line: flags.mjs SERVER

import { readFileSync } from 'node:fs';

const { servers } = JSON.parse(readFileSync(new URL('../matrix.json', import.meta.url), 'utf8'));
for (const [name, value] of Object.entries(servers[process.argv[2]])) {
  for (const one of [value].flat()) console.log(`-${name}=${one}`);
}
