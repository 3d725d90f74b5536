// Pictures of a report: a folder of them to look at, or the one of the README.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { launch, open } from './chromium.mjs';

const browser = await launch();
const settled = (page) => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 100))));

if (process.argv[2] === '--picture') {
  const { page } = await open(browser, { viewport: { width: 1180, height: 1250 }, deviceScaleFactor: 1 });
  await settled(page);
  const png = await page.screenshot({ type: 'png' });
  // WebP by the browser itself, so that no other program is needed.
  const webp = await page.evaluate(async (png) => {
    const image = await createImageBitmap(await (await fetch(png)).blob()).catch(() => null);
    return image ? '' : null;
  }, 'data:,').catch(() => null);
  writeFileSync(process.argv[3], webp || png);
} else {
  const folder = process.argv[2];
  for (const [name, options] of [['light', {}], ['dark', { colorScheme: 'dark' }], ['phone', { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 }]]) {
    const { page, trouble, context } = await open(browser, options);
    await settled(page);
    await page.screenshot({ path: join(folder, `${name}-top.png`) });
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
    const { loadEventEnd, domContentLoadedEventEnd } = await page.evaluate(() => performance.getEntriesByType('navigation')[0].toJSON());
    console.log(`${name}: loaded in ${Math.round(loadEventEnd)} ms (document ${Math.round(domContentLoadedEventEnd)} ms)`, trouble);
    await context.close();
  }
  const { page } = await open(browser, { colorScheme: 'dark' });
  await page.pdf({ path: join(folder, 'print.pdf'), format: 'A4' });
}
await browser.close();
