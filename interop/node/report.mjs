// The page of a load test in Debian's Chromium: report.mjs FILE. It has to be whole without a network, to have its
// plots, and to be readable on a wide screen and on a phone, in light and in dark.

import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { expect } from './payload.mjs';

const { CHROMIUM, SCREENSHOTS } = process.env;
const url = pathToFileURL(process.argv[2]).href;

const screens = [
  { name: 'wide', viewport: { width: 1200, height: 900 }, colorScheme: 'light' },
  { name: 'dark', viewport: { width: 1200, height: 900 }, colorScheme: 'dark' },
  { name: 'phone', viewport: { width: 360, height: 740 }, colorScheme: 'light' },
  { name: 'phone-dark', viewport: { width: 360, height: 740 }, colorScheme: 'dark' },
];

/** measure runs in the page: what is drawn, and what is drawn badly */
const measure = () => {
  const box = (element) => element.getBoundingClientRect();
  const overlap = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  const faults = [];
  const plots = [...document.querySelectorAll('figure')].map((figure) => {
    const name = figure.querySelector('h2').textContent;
    const svg = box(figure.querySelector('svg'));
    const labels = [...figure.querySelectorAll('svg text')];
    labels.forEach((label, i) => {
      const at = box(label);
      const inside = at.left >= svg.left && at.right <= svg.right && at.top >= svg.top && at.bottom <= svg.bottom;
      if (!inside) faults.push(`${name}: ${label.textContent} leaves the drawing`);
      for (const other of labels.slice(i + 1)) {
        if (overlap(at, box(other))) faults.push(`${name}: ${label.textContent} is over ${other.textContent}`);
      }
    });
    for (const line of figure.querySelectorAll('.line')) {
      const { width, height } = box(line);
      if (width < svg.width / 3 || height === 0) faults.push(`${name}: a line of ${width} by ${height}`);
      if (getComputedStyle(line).stroke === 'none') faults.push(`${name}: a line has no colour`);
    }
    return name;
  });
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth > clientWidth) faults.push(`the page is ${scrollWidth} wide on a screen of ${clientWidth}`);
  return { plots, faults, back: getComputedStyle(document.body).backgroundColor };
};

/** look opens the page on one screen, and returns its background */
const look = async (browser, { name, ...screen }) => {
  const context = await browser.newContext(screen);
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    if (request.url() !== url && !request.url().startsWith('data:')) complaints.push(`asked for ${request.url()}`);
  });
  await page.goto(url, { waitUntil: 'networkidle' });
  const { plots, faults, back } = await page.evaluate(measure);
  await page.screenshot({ path: `${SCREENSHOTS}/report-${name}.png`, fullPage: true });
  await context.close();
  complaints.push(...faults);
  expect(plots.length === 4, `${name}: ${plots.length} plots: ${plots.join(', ')}`);
  expect(complaints.length === 0, `${name}: ${complaints.join('; ')}`);
  return back;
};

const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
  ],
});
try {
  const backs = [];
  for (const screen of screens) backs.push(await look(browser, screen));
  expect(backs[0] === backs[2] && backs[1] === backs[3] && backs[0] !== backs[1], `backgrounds ${backs.join(', ')}`);
  console.log(`report  ${screens.length} screens, 4 plots each  ok`);
} catch (error) {
  console.log(`report  failed  ${error.message}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
