// report.html of a real run, as its readers use it. PAGE, REPORT and SECONDS_CSV are made from that run's record;
// FAULTS: it has as many at least. JUDGED: 1 where it is judged how soon the page opens.
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { reader } from './charts.mjs';
import { launch, open } from './chromium.mjs';

const report = JSON.parse(readFileSync(process.env.REPORT, 'utf8'));
const [heading, ...lines] = readFileSync(process.env.SECONDS_CSV, 'utf8').trim().split('\r\n');
const names = heading.split(',');
// The plain columns; those with quotes are the last two.
const seconds = lines.map((line) => Object.fromEntries(line.split(',').slice(0, names.length - 2).map((cell, at) => [names[at], cell])));

let browser, page, trouble, charts;
before(async () => {
  browser = await launch();
  ({ page, trouble } = await open(browser));
  charts = reader(page);
});
after(() => browser.close());

const line = (chart, label) =>
  page.evaluate(([chart, label]) => {
    const found = window.erlmcp.data.charts.find((one) => one.id === chart)?.lines.find((one) => one.label === label);
    return found ? window.erlmcp.values(found) : null;
  }, [chart, label]);

test('it is one small file that opens without a network', async (t) => {
  assert.deepEqual(trouble, []);
  const bytes = statSync(process.env.PAGE).size;
  assert.ok(bytes < 2_000_000, `${bytes} bytes`);
  const times = [];
  for (let turn = 0; turn < 3; turn++) {
    const again = await open(browser);
    times.push(await again.page.evaluate(() => Math.round(performance.getEntriesByType('navigation')[0].loadEventEnd)));
    await again.context.close();
  }
  t.diagnostic(`report.html: ${bytes} bytes, ${seconds.length} seconds of run, opened with all charts in ${times.join(', ')} ms`);
  // The machine may be busy, and a run that is made here too small to say anything: the best of those of a run that is given.
  if (process.env.JUDGED === '1') assert.ok(Math.min(...times) < 1_000, `it opened in ${times.join(', ')} ms, and less than 1,000 ms is wanted`);
});

test('it says what report.json says', async () => {
  const cards = await page.locator('.card').evaluateAll((cards) => cards.map((card) => [card.dataset.check, card.querySelector('.figure').textContent, card.querySelector('.badge').textContent]));
  const slas = report.checks.filter((check) => check.id.startsWith('sla.'));
  assert.deepEqual(cards.map((card) => card[0]), slas.map((check) => check.id));
  slas.forEach((check, at) => {
    const [, figure, badge] = cards[at];
    const word = typeof check.verdict === 'string' ? check.verdict : Object.keys(check.verdict)[0];
    assert.ok(badge.toLowerCase().includes(word), `${check.id}: ${badge}`);
    if (check.estimate === null) return assert.equal(figure, 'not measured');
    const unit = figure.endsWith('KiB') ? 1024 : 1;
    const shown = Number(figure.replace(/[^0-9.]/g, '')) * unit;
    // KiB have two places, all else has one at least.
    const rounded = unit === 1 ? 0.051 : 0.0051 * unit;
    assert.ok(Math.abs(shown - check.estimate) <= Math.max(rounded, check.estimate * 0.01), `${check.id}: ${figure} of ${check.estimate}`);
  });
  const ledger = await page.locator('#ledger tbody tr').evaluateAll((rows) => rows.map((row) => [row.cells[1].textContent, Number(row.cells[2].textContent.replace(/,/g, ''))]));
  assert.deepEqual(ledger, report.ledger.map((line) => [line.kind, line.planned]));
  const checks = await page.locator('#checks tbody tr').count();
  assert.equal(checks, report.checks.length);
});

test('its charts have the seconds of the run', async () => {
  const data = await page.evaluate(() => ({ points: window.erlmcp.data.points, step: window.erlmcp.data.step_s }));
  assert.deepEqual(data, { points: seconds.length, step: 1 });
  for (const [chart, label, column] of [['connections', 'as the agents count', 'connections'], ['requests', 'offered', 'offered_rps'], ['requests', 'answered ok', 'answered_rps'], ['latency', 'P95', 'p95_ms'], ['latency', 'max', 'max_ms']]) {
    const expected = seconds.map((second) => (second[column] === '' ? null : Number(second[column])));
    assert.deepEqual(await line(chart, label), expected, `${chart}: ${label}`);
  }
  const planned = report.ledger.filter((line) => line.kind === 'load').reduce((sum, line) => sum + line.planned, 0);
  const offered = (await line('requests', 'offered')).reduce((sum, value) => sum + value, 0);
  assert.equal(offered, planned);
});

test('every chart that has data is drawn', async () => {
  const drawn = await page.evaluate(() => [...document.querySelectorAll('.plot')].map((host) => {
    const canvas = host.querySelector('canvas');
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    const colours = new Set();
    for (let at = 0; at < pixels.length; at += 4) if (pixels[at + 3] > 200) colours.add(`${pixels[at] >> 4},${pixels[at + 1] >> 4},${pixels[at + 2] >> 4}`);
    return [host.id, colours.size > 3, canvas.getBoundingClientRect().width > 200, host.getAttribute('aria-label').length > 20];
  }));
  assert.ok(drawn.length >= 10, JSON.stringify(drawn));
  for (const [id, ...facts] of drawn) assert.deepEqual(facts, [true, true, true], id);
});

test('dragging zooms every chart, a double click shows all again', async () => {
  await charts.zoomsByDragging();
  await charts.showsAllByDoubleClick();
});

test('hovering tells the second and its values in every legend', () => charts.tellsWhatIsPointedAt());

test('the keyboard moves, zooms, and hides lines', async () => {
  await charts.followsTheKeys();
  await charts.hidesLinesByTheKeyboard();
});

test('phases and faults stand on the time line and in the tables', async () => {
  const phases = await page.locator('#strip button').count();
  assert.equal(phases, report.timeline.filter((line) => line.state === 'complete').length);
  const faults = await page.evaluate(() => window.erlmcp.data.faults.length);
  const rows = await page.locator('#faults tbody tr').count();
  assert.equal(rows, faults);
  // Another's run may have none.
  assert.ok(faults >= Number(process.env.FAULTS), 'the run made here has faults');
});

test('a phase keeps the focus when it is zoomed to, and when seconds are added', async () => {
  const { page, trouble, context } = await open(browser);
  const focused = () => page.evaluate(() => document.activeElement.textContent);
  const button = page.locator('#strip button').first();
  const name = await button.textContent();
  await button.focus();
  await page.keyboard.press('Enter');
  const zoomed = await page.evaluate(() => [window.erlmcp.zoom.from > 0 || window.erlmcp.zoom.to < window.erlmcp.data.points, document.querySelectorAll('#strip button[hidden]').length]);
  assert.deepEqual([await focused(), zoomed[0], zoomed[1] > 0], [name, true, true]);
  await page.evaluate(() => window.erlmcp.update(structuredClone(window.erlmcp.data)));
  assert.equal(await focused(), name);
  assert.deepEqual(trouble, []);
  await context.close();
});

test('the cursor stays at its time when points become one', async () => {
  const { page, trouble, context } = await open(browser);
  await page.locator('#charts').focus();
  await page.keyboard.press('Home');
  await page.keyboard.press('Shift+ArrowRight');
  assert.equal(await page.evaluate(() => window.erlmcp.at()), 10);
  const [at, readout, shown] = await page.evaluate(() => {
    const next = structuredClone(window.erlmcp.data);
    next.step_s *= 2;
    next.points = Math.ceil(next.points / 2);
    for (const chart of next.charts) {
      if (chart.id === 'latency') chart.empty = 'not here';
      chart.lines = chart.lines.map(({ label }) => ({ label, decimals: 0, deltas: Array(next.points).fill(100) }));
    }
    window.erlmcp.update(next);
    return [window.erlmcp.at(), document.getElementById('readout').textContent, document.querySelector('#legend-requests b').textContent];
  });
  assert.equal(at, 5);
  assert.match(readout, /\(second 10\)/);
  assert.equal(shown, '600');
  assert.deepEqual(trouble, []);
  await context.close();
});

test('dark and light follow the system, and the button', () => charts.changesColours());

// A page with the lines of other runs in some of its charts: { chart: [[label, decimals, ...deltas]] }.
const withLines = async (charts) => {
  const other = await open(browser);
  await other.page.evaluate((charts) => {
    const next = structuredClone(window.erlmcp.data);
    for (const [id, lines] of Object.entries(charts)) {
      const chart = next.charts.find((one) => one.id === id);
      chart.empty = null;
      chart.lines = lines.map(([label, decimals, ...deltas]) => ({ label, decimals, deltas: [...deltas, [null, next.points - deltas.length]] }));
    }
    window.erlmcp.update(next);
    return new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30)));
  }, charts);
  return other;
};

test('a second between two without a value is a point', async () => {
  const { page, trouble, context } = await withLines({ latency: [['P95', 3, null, 3000, null, 500, 20]] });
  const points = await page.evaluate(() => {
    const { plot } = window.erlmcp.plots.find(({ id }) => id === 'latency');
    return plot.series[1].points.filter(plot, 1);
  });
  assert.deepEqual([points, trouble], [[1], []]);
  await context.close();
});

test('a rate of less than one is no zero', async () => {
  const { page, trouble, context } = await withLines({ errors: [['connection reset', 3, 31, -27, -4]] });
  assert.equal(await page.locator('#legend-errors b').textContent(), 'max 0.031');
  await page.evaluate(() => document.getElementById('charts').focus());
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowRight');
  assert.equal(await page.locator('#legend-errors b').textContent(), '0.004');
  assert.deepEqual(trouble, []);
  await context.close();
});

test('latencies within a decade have a scale', async () => {
  const ranges = [[0.5, 39], [2.4, 5.2], [400, 9000], [3.2, 3.9], [4.03, 5.08]];
  const splits = await page.evaluate((ranges) => {
    const { plot } = window.erlmcp.plots.find(({ id }) => id === 'heat');
    return ranges.map(([least, most]) => plot.axes[1].splits(plot, 1, least, most).map((value) => Number(value.toPrecision(4))));
  }, ranges);
  assert.deepEqual(splits, [[1, 10], [3, 4, 5], [500, 1000, 2000, 5000], [3.2, 3.4, 3.6, 3.8], [4.5, 5]]);
  const labels = await page.evaluate(() => window.erlmcp.plots.find(({ id }) => id === 'heat').plot.axes[1]._values.filter(Boolean));
  assert.ok(labels.length > 1, labels.join());
});

test('on a phone nothing is wider than the screen', async () => {
  const phone = await open(browser, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  assert.ok((await phone.page.evaluate(() => document.documentElement.scrollWidth)) <= 390);
  assert.deepEqual(phone.trouble, []);
  await phone.context.close();
});

test('on paper it is light and without buttons', async () => {
  const paper = await open(browser, { colorScheme: 'dark' });
  const pdf = await paper.page.pdf({ format: 'A4' });
  assert.ok(pdf.length > 50_000, `${pdf.length} bytes`);
  await paper.page.emulateMedia({ media: 'print', colorScheme: 'light' });
  assert.equal(await paper.page.locator('nav').isVisible(), false);
  // A browser shows what is closed without a script; what is older has it opened.
  const closed = () => paper.page.evaluate(() => [...document.querySelectorAll('#phases details')].filter((details) => !details.open).length);
  const unseen = await paper.page.evaluate(() => [...document.querySelectorAll('#phases details > :not(summary)')].filter((inner) => !inner.checkVisibility()).length);
  const all = await closed();
  assert.ok(all > 0);
  assert.equal(unseen, 0, 'the figures of every phase are on paper');
  await paper.page.evaluate(() => dispatchEvent(new Event('beforeprint')));
  assert.equal(await closed(), 0);
  await paper.page.evaluate(() => dispatchEvent(new Event('afterprint')));
  assert.equal(await closed(), all);
  assert.deepEqual(paper.trouble, []);
  await paper.context.close();
});

test('without a script everything but the charts is there', async () => {
  const plain = await open(browser, { javaScriptEnabled: false });
  assert.equal(await plain.page.locator('.card').count(), 5);
  assert.equal(await plain.page.locator('#checks tbody tr').count(), report.checks.length);
  await plain.context.close();
});

test('nothing went wrong on the way', () => assert.deepEqual(trouble, []));
