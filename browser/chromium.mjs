// Debian's Chromium, and a page of a report in it that tells of whatever it should not do.
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

export const launch = () =>
  chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--force-device-scale-factor=1'] });

/** Opens the report. */
export const open = (browser, options = {}) => openAt(browser, pathToFileURL(process.env.PAGE).href, [], options);

/** Opens a page; `trouble` gathers requests to anywhere but there and what else it may ask for, and errors. */
export const openAt = async (browser, address, others, options = {}) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const trouble = [];
  page.on('request', (request) => { if (![address, ...others].includes(request.url()) && !request.url().startsWith('data:')) trouble.push(`request: ${request.url()}`); });
  page.on('console', (message) => { if (message.type() === 'error') trouble.push(`console: ${message.text()}`); });
  page.on('pageerror', (error) => trouble.push(`error: ${error.message}`));
  await page.goto(address, { waitUntil: 'load' });
  return { page, trouble, context };
};
