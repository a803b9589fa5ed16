// The page of `serve -mode topics` in three tabs of Debian's Chromium: topics.mjs URL. Every tab has to get the right messages once,
// counts have to follow who comes and goes, and the page has to be whole, without a word on its console, in light and dark, wide and on a phone.

import { chromium } from 'playwright-core';
import { expect } from './payload.mjs';

const { CHROMIUM, SCREENSHOTS } = process.env;
const url = process.argv[2].replace(/^ws/, 'http');
const host = new URL(url).host;

const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
  ],
});
const context = await browser.newContext({ viewport: { width: 1100, height: 800 } });
context.setDefaultTimeout(60_000);

const complaints = [];
context.on('console', (message) => complaints.push(message.text()));
context.on('weberror', (error) => complaints.push(error.error().message));
context.on('request', (request) => {
  if (request.url() !== url && !request.url().startsWith('data:')) complaints.push(`asked for ${request.url()}`);
});

/** Tab is the page as a person uses it. */
class Tab {
  static async open() {
    const tab = new Tab();
    tab.page = await context.newPage();
    tab.page.on('websocket', (socket) => {
      if (new URL(socket.url()).host !== host) complaints.push(`connected to ${socket.url()}`);
    });
    await tab.page.goto(url);
    await tab.page.getByText('connected to').waitFor();
    return tab;
  }

  box(pattern) {
    return this.page.locator(`section[aria-label="${pattern}"]`);
  }

  async subscribe(...patterns) {
    for (const pattern of patterns) {
      await this.page.getByLabel('Topic or pattern').fill(pattern);
      await this.page.getByRole('button', { name: 'Subscribe' }).click();
      await this.box(pattern).waitFor();
    }
    return this;
  }

  async publish(topic, text, told) {
    await this.page.getByLabel('Topic', { exact: true }).fill(topic);
    await this.page.getByLabel('Message').fill(text);
    await this.page.getByLabel('Message').press('Enter');
    await this.page.locator('#told').getByText(told, { exact: true }).waitFor();
  }

  async leave(pattern) {
    await this.box(pattern).getByRole('button').click();
    await this.box(pattern).waitFor({ state: 'detached' });
  }

  /** has waits until a box has lines, newest first, and those only */
  async has(pattern, ...lines) {
    if (lines.length > 0) await this.box(pattern).locator('li').nth(lines.length - 1).waitFor();
    const found = await this.box(pattern).locator('li').evaluateAll((items) => items.map((item) => [...item.children].map((part) => part.textContent).join(': ')));
    expect(JSON.stringify(found) === JSON.stringify(lines), `${pattern} has ${JSON.stringify(found)}, want ${JSON.stringify(lines)}`);
  }

  async counts(topic, n) {
    await this.box(topic).getByText(n === 1 ? '1 subscriber' : `${n} subscribers`, { exact: true }).waitFor();
  }

  /** fits looks at the page on a screen */
  async fits(name, width, height, colorScheme) {
    await this.page.setViewportSize({ width, height });
    await this.page.emulateMedia({ colorScheme });
    await this.page.screenshot({ path: `${SCREENSHOTS}/topics-${name}.png`, caret: 'initial' });
    const { wide, back, over } = await this.page.evaluate(() => ({
      wide: document.documentElement.scrollWidth,
      back: getComputedStyle(document.documentElement).backgroundColor,
      over: [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth).map((e) => e.outerHTML.slice(0, 80)),
    }));
    expect(wide <= width && over.length === 0, `${name}: ${wide} wide, ${over.join(', ')}`);
    return back;
  }
}

const messages = async () => {
  const a = await (await Tab.open()).subscribe('rooms.1');
  await a.counts('rooms.1', 1);
  const b = await (await Tab.open()).subscribe('rooms.1', 'rooms.*');
  await a.counts('rooms.1', 2);
  const c = await (await Tab.open()).subscribe('rooms.>', 'rooms.2', 'other');
  for (const tab of [a, b]) await tab.counts('rooms.1', 3);
  await c.counts('rooms.2', 2);

  await a.publish('rooms.1', 'Hello', 'Published to 3 connections.');
  await b.publish('rooms.2', '<b>Ωμέγα ✓ 水 𝄞</b>', 'Published to 2 connections.');
  await a.page.getByLabel('to others only').check();
  await a.publish('rooms.1', '', 'Published to 2 connections.');
  await c.publish('rooms.1.deep', 'deep', 'Published to 1 connection.');
  await c.publish('nobody', 'x', 'Published to 0 connections.');
  await c.publish('rooms.1', 'last', 'Published to 3 connections.');
  await a.has('rooms.1', 'last', 'Hello');
  await b.has('rooms.1', 'last', '', 'Hello');
  await b.has('rooms.*', 'rooms.1: last', 'rooms.1: ', 'rooms.2: <b>Ωμέγα ✓ 水 𝄞</b>', 'rooms.1: Hello');
  await c.has('rooms.>', 'rooms.1: last', 'rooms.1.deep: deep', 'rooms.1: ', 'rooms.2: <b>Ωμέγα ✓ 水 𝄞</b>', 'rooms.1: Hello');
  await c.has('rooms.2', '<b>Ωμέγα ✓ 水 𝄞</b>');
  await c.has('other');
  return [a, b, c];
};

const comeAndGo = async ([a, b, c]) => {
  await b.leave('rooms.1');
  await b.subscribe('rooms.2');
  await b.counts('rooms.2', 2);
  await a.counts('rooms.1', 3); // by its pattern
  await b.leave('rooms.*');
  await a.counts('rooms.1', 2);
  await c.page.close();
  await a.counts('rooms.1', 1);
  await b.counts('rooms.2', 1);
  const d = await (await Tab.open()).subscribe('rooms.1');
  await a.counts('rooms.1', 2);
  await d.page.reload();
  await a.counts('rooms.1', 1);
  return d;
};

/** retained messages come before the answer to the subscription */
const retained = async ([a, b]) => {
  await b.publish('kept.price', '2400', 'Published to 0 connections.');
  await b.publish('kept.price', '2401', 'Published to 0 connections.');
  await a.subscribe('kept.*');
  await a.has('kept.*', 'kept.price: 2401');
};

const wrong = async ([a]) => {
  const before = await a.page.locator('section').count();
  await a.page.getByLabel('Topic or pattern').fill('a..b');
  await a.page.getByLabel('Topic or pattern').press('Enter');
  await a.page.getByText('a token is empty').waitFor();
  expect(await a.page.locator('section').count() === before, 'what was refused has a box');
  await a.publish('rooms.*', 'x', 'topic: "rooms.*": a name has no wildcards');
  await a.fits('error', 1100, 800, 'light');
};

/** reconnected is a tab whose connection ended: it has its subscriptions again, and each message once */
const reconnected = async ([a, b]) => {
  const closed = await a.page.evaluate(() => new Promise((resolve) => {
    socket.addEventListener('close', () => {
      resolve([document.getElementById('state').textContent, document.querySelectorAll('button:disabled').length]);
    });
    socket.close(4000);
  }));
  expect(closed.join() === 'closed: 4000, trying again,2', `without a connection the page says: ${closed}`);
  await a.page.getByText('connected to').waitFor();
  await a.counts('rooms.1', 1);
  await b.publish('rooms.1', 'again', 'Published to 1 connection.');
  await a.has('rooms.1', 'again', 'not connected: messages may be missing here', 'last', 'Hello');
};

const screens = async (tab) => {
  await tab.subscribe('rooms.1', 'rooms.*', 'prices.>', 'a.topic.with.a.long-name-that-has-no-blank-to-break-it-at.anywhere');
  await tab.publish('rooms.1', 'Hello', 'Published to 2 connections.');
  await tab.publish('prices.eu.gold', 'x'.repeat(300), 'Published to 1 connection.');
  const light = await tab.fits('light', 1100, 800, 'light');
  const dark = await tab.fits('dark', 1100, 800, 'dark');
  expect(light !== dark, `the page is ${light} in light and in dark`);
  await tab.fits('phone', 390, 844, 'light');
  await tab.fits('phone-dark', 390, 844, 'dark');
};

try {
  const tabs = await messages();
  await tabs[1].fits('messages', 1100, 800, 'light');
  const newcomer = await comeAndGo(tabs);
  await retained(tabs);
  await wrong(tabs);
  await reconnected(tabs);
  await screens(newcomer);
  expect(complaints.length === 0, complaints.join('; '));
  console.log('topics  three tabs, four screens  ok');
} catch (error) {
  console.log(`topics  failed  ${error.message}`);
  if (complaints.length > 0) console.log(complaints.join('\n'));
  process.exitCode = 1;
} finally {
  await browser.close();
}
