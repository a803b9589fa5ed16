// Debian's Chromium, driven by playwright-core: the server's own page as a person uses it,
// and the cases through the WebSocket of the browser. The page's content security policy
// stays in force.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { chromium } from 'playwright-core';
import { casesOf } from './cases.mjs';
import { env, matrix, run } from './harness.mjs';

const { expect } = env.payload;
const { CHROMIUM, INTEROP_SPKI, PROFILE, SCREENSHOTS } = process.env;
const secure = env.urls.large.startsWith('wss:');

const picture = (name) => `${SCREENSHOTS}/${name}${secure ? '-wss' : ''}.png`;

const pageOf = (url) => url.replace(/^ws/, 'http');

const browser = await chromium.launchPersistentContext(PROFILE, {
  executablePath: CHROMIUM,
  headless: true,
  viewport: { width: 800, height: 600 },
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
    // The one key that it may take without an authority that it knows.
    ...(secure ? [`--ignore-certificate-errors-spki-list=${INTEROP_SPKI}`] : []),
  ],
});
await browser.exposeFunction('leave', env.leave);

/** source is a module without imports, as statements */
const source = (name) =>
  readFileSync(new URL(name, import.meta.url), 'utf8').replaceAll(/^export /gm, '');

/** openPage opens a server's page, and notes what its console complains of */
const complaints = [];
const openPage = async (url) => {
  const page = await browser.newPage();
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  const response = await page.goto(pageOf(url));
  expect(response.status() === 200, `the page has status ${response.status()}`);
  return page;
};

/** prepare brings the cases into a page */
const prepare = async (page) => {
  await page.evaluate(`globalThis.interop = (() => {
    ${['./payload.mjs', './peer.mjs', './cases.mjs'].map(source).join('\n')}
    return { payload: { text, binary, expect, expectSame }, Peer, casesOf };
  })()`);
  await page.evaluate(({ matrix, urls }) => {
    const { payload, Peer, casesOf } = globalThis.interop;
    const connect = (url, { protocols = [] } = {}) => new Peer(new WebSocket(url, protocols));
    globalThis.cases = casesOf({ matrix, urls, payload, connect, leave: globalThis.leave });
  }, { matrix, urls: env.urls });
};

const large = await openPage(env.urls.large);
const plain = await openPage(env.urls.default);
await Promise.all([large, plain].map(prepare));

const page = async () => {
  await large.getByText('connected to').waitFor();
  for (const message of ['Hello, wsloop', matrix.nonASCII.text.trim(), '<b>not bold</b>']) {
    await large.getByRole('textbox', { name: 'Message' }).fill(message);
    await large.getByRole('button', { name: 'Send' }).click();
    await large.locator('li.received').getByText(message, { exact: true }).waitFor();
  }
  const log = await large.locator('#log li').count();
  expect(log === 6, `${log} lines in the log of three messages and their echoes`);
  await large.screenshot({ path: picture('page') });
};

/** foreignPage serves a page of another origin */
const foreignPage = async () => {
  const server = createServer((_, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end('<!doctype html><title>elsewhere</title><link rel="icon" href="data:,">');
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const elsewhere = await browser.newPage();
  await elsewhere.goto(`http://127.0.0.1:${server.address().port}/`);
  server.close();
  return elsewhere;
};

const tryToOpen = (page, url) => page.evaluate((url) => new Promise((resolve) => {
  const socket = new WebSocket(url);
  socket.onopen = () => resolve(true);
  socket.onclose = () => resolve(false);
}), url);

// The browser tells its console, and not the page, with which status it was refused.
const origin = async () => {
  const elsewhere = await foreignPage();
  const complaint = elsewhere.waitForEvent('console');
  expect(!(await tryToOpen(elsewhere, env.urls.large)), 'a foreign page was accepted');
  const text = (await complaint).text();
  expect(text.includes('403'), `the console says ${text}`);
  await elsewhere.screenshot({ path: picture('elsewhere') });
  await elsewhere.close();
  expect(await tryToOpen(large, env.urls.large), "the server's own page was refused");
};

const noComplaints = async () => expect(complaints.length === 0, complaints.join('; '));

const inPage = (where, id) => () => where.evaluate((id) => globalThis.cases[id](), id);

const goingAway = async () => {
  await inPage(large, 'going-away')();
  await large.locator('li.note').getByText('closed 1001').waitFor();
  await large.screenshot({ path: picture('closed') });
};

const cases = { page, origin, console: noComplaints, 'going-away': goingAway };
for (const id of Object.keys(casesOf(env))) {
  cases[id] ??= inPage(id === 'too-big' ? plain : large, id);
}

console.log(`chromium ${browser.browser()?.version() ?? ''}, pictures in ${SCREENSHOTS}`);
await run('chromium', cases, () => browser.close());
