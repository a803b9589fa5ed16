// Prints what the clients proved: summary.mjs RESULTS [--deflate|--secure] CLIENT... It fails unless each of
// the clients has an outcome for every feature, none failed, and README.md says the same. --deflate and --secure take the
// features of that part of matrix.json instead.

import { readFileSync } from 'node:fs';

const read = (name) => readFileSync(new URL(name, import.meta.url), 'utf8');
const matrix = JSON.parse(read('../matrix.json'));
const readme = read('../README.md');
const [file, ...rest] = process.argv.slice(2);
const clients = rest.filter((word) => !word.startsWith('--'));
const part = rest.length > clients.length ? matrix[rest[0].slice(2)] : matrix;
const features = part.features
  .filter(({ only }) => !only || clients.some((client) => only.includes(client.replace('/wss', ''))))
  .map(({ id }) => id);

const outcomes = new Map(); // of a client and a feature: the outcome, and what it counted
const failures = [];
const ends = []; // clients whose process failed; told when no case did
for (const line of readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
  const [client, feature, outcome, remark] = line.split('\t');
  outcomes.set(`${client} ${feature}`, { outcome, count: /^\d+$/.test(remark) ? remark : undefined });
  if (outcome === 'failed' && (feature === 'run' || clients.includes(client) && features.includes(feature))) (feature === 'run' ? ends : failures).push(`${client} ${feature}: ${remark}`);
}
if (failures.length === 0) failures.push(...ends);

const words = { ok: 'yes', cannot: 'cannot', failed: 'FAILED' };
const counts = { ok: 0, cannot: 0 };
const row = (cells) => `| ${cells.join(' | ')} |`;

const lines = [row(['client', ...features])];
for (const client of clients) {
  const cells = features.map((id) => {
    const { outcome, count } = outcomes.get(`${client} ${id}`) ?? {};
    if (!outcome) failures.push(`${client} ${id}: did not run`);
    else if (outcome !== 'failed') counts[outcome]++;
    return count ?? words[outcome] ?? 'NOT RUN';
  });
  lines.push(row([client, ...cells]));
}

console.log(`\n${lines.join('\n')}\n`);
for (const failure of failures) console.log(`failed: ${failure}`);
const stale = failures.length === 0 ? lines.filter((line) => !readme.includes(line)) : [];
for (const line of stale) console.log(`not in README.md: ${line}`);
console.log(`interop: ${counts.ok} passed, ${failures.length} failed, ${counts.cannot} skipped`);
process.exit(failures.length + stale.length > 0 ? 1 : 0);
