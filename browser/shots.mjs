// Pictures of a report: a folder of them to look at, or the one of the README.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { launch, open } from './chromium.mjs';

const browser = await launch();
const settled = (page) => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 100))));

if (process.argv[2] === '--picture') {
  const { page } = await open(browser, { viewport: { width: 1120, height: 1500 } });
  await settled(page);
  // The keys are of no use in a picture.
  await page.addStyleTag({ content: '.keys, nav { display: none }' });
  const height = await page.evaluate(() => Math.ceil(document.getElementById('chart-heat').getBoundingClientRect().bottom + scrollY + 24));
  await page.setViewportSize({ width: 1120, height });
  for (let quality = 90; quality > 30; quality -= 5) {
    const picture = await page.screenshot({ type: 'jpeg', quality });
    if (picture.length > 190_000) continue;
    writeFileSync(process.argv[3], picture);
    console.log(`${process.argv[3]}: ${picture.length} bytes`);
    break;
  }
} else {
  const folder = process.argv[2];
  const phone = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };
  for (const [name, options] of [['light', {}], ['dark', { colorScheme: 'dark' }], ['phone', phone]]) {
    const { page, trouble, context } = await open(browser, options);
    await settled(page);
    await page.screenshot({ path: join(folder, `${name}-top.png`) });
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
    const { loadEventEnd } = await page.evaluate(() => performance.getEntriesByType('navigation')[0].toJSON());
    console.log(`${name}: loaded in ${Math.round(loadEventEnd)} ms`, ...trouble);
    await context.close();
  }
  const { page } = await open(browser, { colorScheme: 'dark' });
  await page.pdf({ path: join(folder, 'print.pdf'), format: 'A4' });
}
await browser.close();
