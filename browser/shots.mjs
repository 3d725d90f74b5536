// Pictures of a report: a folder of them to look at, or the one of the README; and of a terminal, as HTML.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
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
} else if (process.argv[2] === '--terminal') {
  const page = await browser.newPage({ deviceScaleFactor: 1.5 });
  await page.goto(pathToFileURL(process.argv[3]).href);
  await page.addStyleTag({ content: 'body { margin: 0; background: #14171c; } pre { display: inline-block; margin: 0; padding: 14px 18px; font: 13px/1.2 "DejaVu Sans Mono", monospace; }' });
  // What the font does not have comes from another one, in another width: a terminal gives every letter one cell.
  await page.evaluate(() => {
    const pen = document.createElement('canvas').getContext('2d');
    pen.font = '13px "DejaVu Sans Mono", monospace';
    const cell = pen.measureText('x').width;
    const texts = document.createTreeWalker(document.querySelector('pre'), NodeFilter.SHOW_TEXT);
    const found = [];
    while (texts.nextNode()) found.push(texts.currentNode);
    for (const text of found) {
      const parts = [...text.data].map((letter) => {
        const width = pen.measureText(letter).width;
        if (letter === '\n' || Math.abs(width - cell) < 0.01) return letter;
        const inner = Object.assign(document.createElement('span'), { textContent: letter });
        inner.style.cssText = `display: inline-block; transform-origin: left; transform: scaleX(${cell / width})`;
        const outer = document.createElement('span');
        outer.style.cssText = `display: inline-block; width: ${cell}px; height: 1.2em; vertical-align: bottom; overflow: visible; white-space: pre`;
        outer.append(inner);
        return outer;
      });
      text.replaceWith(...parts);
    }
  });
  await page.locator('pre').screenshot({ path: process.argv[4] });
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
