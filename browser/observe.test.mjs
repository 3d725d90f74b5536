// The page of `erlmcp observe --web`: of a run while it goes on and after it, and of a cluster. ERLMCP is the binary; it makes
// its own short runs in the folder WORK.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { reader } from './charts.mjs';
import { launch, openAt } from './chromium.mjs';

const { ERLMCP, WORK } = process.env;
const children = [];

const begin = (...args) => {
  const child = spawn(ERLMCP, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const begun = { child, said: '', ended: new Promise((done) => child.on('close', done)) };
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => { begun.said += bytes; });
  children.push(begun);
  return begun;
};
const until = async (what, found) => {
  for (let tries = 0; tries < 600; tries++) {
    const value = await found();
    if (value) return value;
    await sleep(100);
  }
  assert.fail(`it did not come in a minute: ${what()}`);
};
const observed = async (what) => {
  const observing = begin('observe', what, '--web');
  const address = await until(() => observing.said, () => observing.said.match(/http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32}\//)?.[0]);
  return { ...observing, address };
};
const stopped = async (begun) => {
  begun.child.kill('SIGINT');
  return begun.ended;
};

let browser;
before(async () => { browser = await launch(); });
after(async () => {
  await browser.close();
  for (const { child } of children) if (child.exitCode === null) child.kill('SIGKILL');
});

const open = async (address) => {
  const found = await openAt(browser, address, [`${address}events`]);
  await until(() => found.trouble.join(), () => found.page.evaluate(() => window.erlmcp.data.points > 0));
  return found;
};
const drawn = (page) => page.evaluate(() => [...document.querySelectorAll('.plot canvas')].map((canvas) => {
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  return [canvas.closest('.plot').id, pixels.some((value, at) => at % 4 === 3 && value > 200)];
}));

// Seconds that come meanwhile may move what is just being looked at: what holds is seen in one of a few tries.
const tried = async (look) => {
  for (let left = 5; ; left--) {
    try {
      return await look();
    } catch (error) {
      if (left === 1 || error.code !== 'ERR_ASSERTION') throw error;
    }
  }
};
const isRead = async (page) => {
  const charts = reader(page);
  const points = () => page.evaluate(() => window.erlmcp.data.points);
  await until(() => 'seconds to zoom into', async () => (await points()) >= 20);
  const zoomed = await tried(charts.zoomsByDragging);
  const before = await points();
  await until(() => 'seconds behind a zoom', async () => (await points()) > before);
  for (const one of (await charts.spans()).each) assert.deepEqual(one, zoomed, 'a zoom stays where it is');
  await tried(charts.showsAllByDoubleClick);
  await tried(charts.tellsWhatIsPointedAt);
  await tried(charts.followsTheKeys);
  await charts.hidesLinesByTheKeyboard();
  await charts.changesColours();
};

test('a run is followed to its end, and then is what its report says', async () => {
  const run = join(WORK, 'followed');
  const stress = begin('stress', '-c', '60', '-d', '5m', '-r', '200', '--replicas', '2', '--agents', '1', '--phases', '1,2,3,6', '--output', run);
  await until(() => stress.said, () => existsSync(join(run, 'journal.jsonl')));
  const observing = await observed(run);
  const { page, trouble, context } = await open(observing.address);
  const points = () => page.evaluate(() => window.erlmcp.data.points);
  const first = await points();
  assert.equal(await page.locator('#state').textContent(), 'goes on');
  await until(() => 'more seconds', async () => (await points()) > first);
  await until(() => 'seconds of load', () => page.evaluate(() => window.erlmcp.data.charts.some(({ id, empty }) => id === 'latency' && !empty)));
  await isRead(page);
  // However slow the browser is, the run goes on until it was seen.
  stress.child.kill('SIGINT');
  await until(() => 'the end', async () => (await page.locator('#state').textContent()).startsWith('over: '));
  await stress.ended;
  // Made of the whole record: the one that the run wrote cannot have rows that came minutes late.
  const made = begin('report', run, '--format', 'html', '--output', join(WORK, 'made.html'));
  assert.equal(await made.ended, 0, made.said);
  const report = readFileSync(join(WORK, 'made.html'), 'utf8');
  const series = JSON.parse(report.split('id="series">')[1].split('</script>')[0]);
  assert.deepEqual(await page.evaluate(() => window.erlmcp.data), series);
  assert.equal(await page.evaluate(() => window.erlmcp.plots[0].plot.data[0].length), series.points);
  const canvases = await drawn(page);
  assert.ok(canvases.length >= 8, JSON.stringify(canvases));
  for (const [id, isDrawn] of canvases) assert.ok(isDrawn, id);
  assert.match(await page.locator('#table').textContent(), /3\. Sustained Load/);
  await context.close();

  const again = await open(observing.address);
  assert.deepEqual(await again.page.evaluate(() => window.erlmcp.data), series, 'a finished run is shown again');
  assert.deepEqual([trouble, again.trouble], [[], []]);
  await again.context.close();
  assert.equal(await stopped(observing), 0);
});

test('a cluster is watched, and its page answers to its own address alone', async () => {
  const cluster = begin('cluster', '--tied', '--replicas', '2', '--listen', '127.0.0.1:0', '--control', join(WORK, 'control.sock'));
  const at = await until(() => cluster.said, () => cluster.said.match(/listening on (127\.0\.0\.1:\d+)/)?.[1]);
  const observing = await observed(`http://${at}`);
  const { page, trouble } = await open(observing.address);
  await until(() => 'both replicas', async () => (await page.locator('#table').textContent()).match(/ready/g)?.length === 2);
  await until(() => 'a chart', () => page.evaluate(() => window.erlmcp.plots.some(({ id }) => id === 'replica_memory')));
  const requests = await page.locator('#chart-requests .empty').textContent();
  assert.match(requests, /no load is sent from here/);
  for (const [id, isDrawn] of await drawn(page)) assert.ok(isDrawn, id);

  const { host, hostname, port, pathname } = new URL(observing.address);
  const status = (path, headers) => new Promise((done, failed) => {
    const asked = request({ hostname, port, path, headers: { host, ...headers } }, (answer) => { done(answer.statusCode); answer.destroy(); });
    asked.on('error', failed).end();
  });
  assert.equal(await status(pathname, {}), 200);
  assert.equal(await status(`${pathname}events`, { origin: `http://${host}` }), 200);
  assert.equal(await status('/', {}), 404);
  assert.equal(await status(`/${'0'.repeat(32)}/`, {}), 404);
  assert.equal(await status(`/${'0'.repeat(32)}/events`, {}), 404);
  assert.equal(await status(pathname, { host: `evil.example:${port}` }), 403);
  assert.equal(await status(`${pathname}events`, { origin: 'http://evil.example' }), 403);

  const looking = [];
  for (let held = 1; held < 16; held++) {
    looking.push(await new Promise((done, failed) => request({ hostname, port, path: `${pathname}events`, headers: { host } }, done).on('error', failed).end()));
  }
  const refused = await openAt(browser, observing.address, [`${observing.address}events`]);
  await until(() => 'one too many is told so', async () => (await refused.page.locator('#state').textContent()).startsWith('refused'));
  looking.forEach((answer) => answer.destroy());
  await refused.context.close();

  assert.deepEqual(trouble, []);
  assert.equal(await stopped(observing), 0, observing.said);
  await until(() => 'the page says so', async () => (await page.locator('#state').textContent()).startsWith('no connection'));
  await stopped(cluster);
});
