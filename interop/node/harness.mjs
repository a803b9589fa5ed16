// Runs the cases of one client, says how each went, and notes it for the summary.

import { appendFileSync, readFileSync } from 'node:fs';
import * as payload from './payload.mjs';

export const matrix = JSON.parse(readFileSync(new URL('../matrix.json', import.meta.url), 'utf8'));

const variable = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run this by run.sh or browser.sh`);
  return value;
};

/** featuresOf lists the ids of the features that a client is to show, in order */
const featuresOf = (client) =>
  matrix.features.filter(({ only }) => !only || only.includes(client)).map(({ id }) => id);

/** env is what casesOf wants, but for connect. */
export const env = {
  matrix,
  payload,
  urls: { large: variable('INTEROP_LARGE'), default: variable('INTEROP_DEFAULT') },
  leave: () => process.kill(Number(variable('INTEROP_LARGE_PID')), 'SIGTERM'),
};

// caseSeconds ends a case that waits for ever; nothing is measured with it.
const caseSeconds = 60;

const withinTime = (promise) => {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${caseSeconds} s`)), caseSeconds * 1000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

/** outcome runs one feature: ok, cannot or failed, and why */
const outcome = async (reason, body) => {
  if (reason && body) return ['failed', 'the matrix says that it cannot, but there is a case'];
  if (reason) return ['cannot', reason];
  if (!body) return ['failed', 'there is no case'];
  try {
    await withinTime(body());
    return ['ok', ''];
  } catch (error) {
    return ['failed', error.message];
  }
};

/** run runs every feature of the matrix, in its order, cleans up, and ends the process */
export const run = async (client, cases, cleanUp = () => {}) => {
  const ids = featuresOf(client);
  const name = env.urls.large.startsWith('wss:') ? `${client}/wss` : client;
  let failed = 0;
  for (const id of [...ids, ...Object.keys(cases).filter((id) => !ids.includes(id))]) {
    const [result, why] = ids.includes(id)
      ? await outcome(matrix.cannot[client]?.[id], cases[id])
      : ['failed', 'the matrix does not have it'];
    if (result === 'failed') failed++;
    console.log([name, id, result, why].filter(Boolean).join('  '));
    appendFileSync(variable('INTEROP_RESULTS'), `${[name, id, result, why.replace(/\s+/g, ' ')].join('\t')}\n`);
  }
  await cleanUp();
  process.exit(failed ? 1 : 0);
};
