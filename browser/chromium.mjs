// Debian's Chromium, and a page of a report in it that tells of whatever it should not do.
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

export const ADDRESS = pathToFileURL(process.env.PAGE).href;

export const launch = () =>
  chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--force-device-scale-factor=1'] });

/** Opens the report; `trouble` gathers requests to anywhere else, and errors. */
export const open = async (browser, options = {}) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const trouble = [];
  page.on('request', (request) => { if (request.url() !== ADDRESS && !request.url().startsWith('data:')) trouble.push(`request: ${request.url()}`); });
  page.on('console', (message) => { if (message.type() === 'error') trouble.push(`console: ${message.text()}`); });
  page.on('pageerror', (error) => trouble.push(`error: ${error.message}`));
  await page.goto(ADDRESS, { waitUntil: 'load' });
  return { page, trouble, context };
};
