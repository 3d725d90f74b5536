// What a reader does with the charts of a page, be it a report or one that goes on: zoom, point, press keys, change colours.
// Each tries one thing on `page` and asserts what is to be seen then.
import assert from 'node:assert/strict';

export const reader = (page) => {
  const settled = () => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30))));
  const at = () => page.evaluate(() => window.erlmcp.at());
  // What every chart spans, and what all of the run is at that moment.
  const spans = () => page.evaluate(() => {
    const { data, plots } = window.erlmcp;
    return { each: plots.map(({ plot }) => [plot.scales.x.min, plot.scales.x.max]), all: [0, data.points * data.step_s] };
  });
  const centre = async (id) => {
    const over = page.locator(`#plot-${id} .u-over`);
    await over.evaluate((element) => element.scrollIntoView({ block: 'center' }));
    const box = await over.boundingBox();
    return { x: box.x + box.width / 2, y: box.y + box.height / 2, width: box.width };
  };
  const seesAll = async () => {
    await settled();
    const { each, all } = await spans();
    for (const one of each) assert.deepEqual(one, all);
  };

  /** Returns what is in sight then, in seconds. */
  const zoomsByDragging = async () => {
    const { x, y, width } = await centre('requests');
    await page.mouse.move(x - width / 4, y);
    await page.mouse.down();
    await page.mouse.move(x + width / 8, y, { steps: 5 });
    await page.mouse.up();
    await settled();
    const { each, all } = await spans();
    const [zoomed] = each;
    assert.ok(zoomed[1] - zoomed[0] < all[1] / 2, JSON.stringify(zoomed));
    for (const one of each) assert.deepEqual(one, zoomed);
    return zoomed;
  };
  const showsAllByDoubleClick = async () => {
    const { x, y } = await centre('requests');
    await page.mouse.dblclick(x, y);
    await seesAll();
  };
  const tellsWhatIsPointedAt = async () => {
    await page.mouse.move(2, 2);
    const { x, y } = await centre('latency');
    await page.mouse.move(x, y);
    await settled();
    const told = await page.evaluate(() => {
      const { data, plots, values } = window.erlmcp;
      const at = window.erlmcp.at();
      const offered = data.charts.find(({ id }) => id === 'requests').lines.find(({ label }) => label === 'offered');
      return { at, offered: values(offered)[at], crosshairs: plots.map(({ plot }) => plot.cursor.idx),
        readout: document.getElementById('readout').textContent, legend: document.querySelector('#legend-requests b').textContent };
    });
    const number = (text) => Number(text?.replace(/,/g, ''));
    assert.ok(told.at > 0);
    assert.equal(number(told.readout.match(/second ([0-9,]+)\)/)?.[1]), told.at, told.readout);
    assert.equal(number(told.legend), told.offered);
    for (const one of told.crosshairs) assert.equal(one, told.at);
    await page.mouse.move(2, 2);
  };
  const followsTheKeys = async () => {
    await page.locator('#charts').focus();
    await page.keyboard.press('Escape');
    await page.keyboard.press('Home');
    assert.equal(await at(), 0);
    for (let press = 0; press < 3; press++) await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Shift+ArrowRight');
    assert.equal(await at(), 13);
    await page.keyboard.press('+');
    await settled();
    const { each: [zoomed], all } = await spans();
    assert.ok(zoomed[1] - zoomed[0] <= all[1] / 2 + 1, JSON.stringify(zoomed));
    await page.keyboard.press('Escape');
    await seesAll();
  };
  const hidesLinesByTheKeyboard = async () => {
    const button = page.locator('#legend-latency button').first();
    await button.focus();
    await page.keyboard.press('Space');
    assert.equal(await button.getAttribute('aria-pressed'), 'false');
    assert.equal(await page.evaluate(() => window.erlmcp.plots.find(({ id }) => id === 'latency').plot.series[1].show), false);
    await page.keyboard.press('Space');
  };
  const changesColours = async () => {
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const ink = () => page.evaluate(() => {
      const canvas = document.querySelector('#plot-requests canvas');
      const pixels = canvas.getContext('2d').getImageData(0, 0, 60, canvas.height).data;
      let sum = 0, count = 0;
      for (let at = 0; at < pixels.length; at += 4) if (pixels[at + 3] > 220) { sum += pixels[at] + pixels[at + 1] + pixels[at + 2]; count++; }
      return sum / count;
    });
    const [light, lightInk] = [await background(), await ink()];
    await page.emulateMedia({ colorScheme: 'dark' });
    await settled();
    const [dark, darkInk] = [await background(), await ink()];
    assert.notEqual(dark, light);
    assert.ok(darkInk > lightInk, `the axes are redrawn: ${lightInk}, ${darkInk}`);
    await page.locator('#theme').click();
    await settled();
    assert.equal(await background(), light);
    await page.emulateMedia({ colorScheme: 'light' });
  };

  return { spans, zoomsByDragging, showsAllByDoubleClick, tellsWhatIsPointedAt, followsTheKeys, hidesLinesByTheKeyboard, changesColours };
};
