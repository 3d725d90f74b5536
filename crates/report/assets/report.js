// Draws the charts of a report: all over one time line, which they zoom and hover together.
(() => {
  'use strict';
  let data = JSON.parse(document.getElementById('series').textContent);
  const page = document.documentElement;
  const place = (id) => document.getElementById(id);
  const colour = (name) => getComputedStyle(page).getPropertyValue(name).trim();

  // ---- the model -----------------------------------------------------------------------------------------------

  // A line's values: differences to the one before, null for a gap, [difference, times] where one repeats.
  const values = (line) => {
    const scale = 10 ** line.decimals;
    const found = [];
    let last = 0;
    for (const entry of line.deltas) {
      const [delta, times] = Array.isArray(entry) ? entry : [entry, 1];
      for (let at = 0; at < times; at++) {
        if (delta !== null) last += delta;
        found.push(delta === null ? null : last / scale);
      }
    }
    return found;
  };
  // A point stands in the middle of its seconds.
  let seconds, end;
  const measure = () => {
    seconds = Array.from({ length: data.points }, (_, at) => (at + 0.5) * data.step_s);
    end = data.points * data.step_s;
  };
  measure();

  // ---- words ---------------------------------------------------------------------------------------------------

  const grouped = (value, decimals) =>
    value.toLocaleString('en-US', { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  const bytes = (value) => {
    const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
    let unit = 0;
    while (Math.abs(value) >= 1024 && unit + 1 < units.length) { value /= 1024; unit++; }
    return `${grouped(value, unit === 0 ? 0 : 2)} ${units[unit]}`;
  };
  const said = (value, unit) => {
    if (value === null || value === undefined) return '–';
    if (unit === 'bytes') return bytes(value);
    if (unit === 'ms') return `${grouped(value, value < 10 ? 3 : value < 100 ? 2 : 1)} ms`;
    if (unit.startsWith('%')) return `${grouped(value, 1)} %`;
    if (value !== 0 && Math.abs(value) < 1) return value.toLocaleString('en-US', { maximumSignificantDigits: 2 });
    return grouped(value, Number.isInteger(value) ? 0 : 1);
  };
  const short = (value, unit) => {
    if (unit === 'bytes') return bytes(value).replace(/\.00/, '').replace(/(\.\d)0 /, '$1 ');
    if (Math.abs(value) >= 1e6) return `${+(value / 1e6).toPrecision(3)}M`;
    if (Math.abs(value) >= 1e4) return `${+(value / 1e3).toPrecision(3)}K`;
    return `${+value.toPrecision(4)}`;
  };
  const clock = (at) => {
    const whole = Math.floor(at);
    const two = (number) => String(number).padStart(2, '0');
    const hours = Math.floor(whole / 3600);
    return `${hours ? `${hours}:` : ''}${hours ? two(Math.floor(whole / 60) % 60) : Math.floor(whole / 60)}:${two(whole % 60)}`;
  };

  // ---- one time line -------------------------------------------------------------------------------------------

  const plots = []; // { plot, id, unit, lines, legend }
  const zoom = { from: 0, to: Math.max(end, 1) };

  const show = (from, to) => {
    const least = data.step_s * 4;
    if (to - from < least) { const middle = (from + to) / 2; from = middle - least / 2; to = middle + least / 2; }
    zoom.from = Math.max(0, from);
    zoom.to = Math.min(Math.max(end, 1), to);
    for (const { plot, lines } of plots) {
      lines.forEach((_, at) => { plot.series[at + 1].dash = dashes(lines, at); });
      plot.setScale('x', { min: zoom.from, max: zoom.to });
    }
    strip();
    plots.forEach(tell);
  };
  const showAll = () => show(0, Math.max(end, 1));

  const phaseAt = (at) => data.phases.findLast((phase) => phase.from_s <= at && at < phase.to_s);
  const faultsAt = (at) => data.faults.filter((fault) => fault.injected_s <= at && at < Math.max(fault.over_s, fault.injected_s + data.step_s));

  let cursor = null;
  const pointAt = (index) => {
    cursor = index;
    const readout = place('readout');
    if (index === null) { readout.textContent = ''; plots.forEach(tell); return; }
    const at = index * data.step_s;
    const phase = phaseAt(at + data.step_s / 2);
    const faults = faultsAt(at + data.step_s / 2).slice(0, 4).map((fault) => `fault ${fault.number}: ${fault.kind}`);
    readout.textContent = [`${clock(at)} (second ${grouped(at, 0)})`, phase ? phase.title : 'between phases', ...faults].join(' · ');
    plots.forEach(tell);
  };

  // The phases above the charts; a click zooms to one. A button stays the same one, so that it keeps the focus.
  const ofPhases = new Map();
  const judged = Object.assign(document.createElement('i'), { title: 'what the five SLAs judge' });
  place('strip').append(judged);
  const phaseButton = ({ phase, title }) => {
    const button = Object.assign(document.createElement('button'), { type: 'button', textContent: `${phase} ${title}` });
    button.addEventListener('click', () => {
      const { from_s, to_s } = data.phases.find((one) => one.phase === phase);
      show(from_s, to_s);
    });
    judged.before(button);
    return button;
  };
  const strip = () => {
    const left = (at) => ((Math.min(Math.max(at, zoom.from), zoom.to) - zoom.from) / (zoom.to - zoom.from)) * 100;
    const put = (element, from_s, to_s) => {
      const [from, to] = [left(from_s), left(to_s)];
      element.hidden = to <= from;
      element.style.left = `${from}%`;
      element.style.width = `max(3px, calc(${to - from}% - 1px))`;
    };
    for (const phase of data.phases) {
      if (!ofPhases.has(phase.phase)) ofPhases.set(phase.phase, phaseButton(phase));
      const button = ofPhases.get(phase.phase);
      button.title = `${phase.title}: ${clock(phase.from_s)} to ${clock(phase.to_s)}`;
      put(button, phase.from_s, phase.to_s);
    }
    put(judged, ...(data.judged_s ?? [0, 0]));
  };

  // ---- drawing -------------------------------------------------------------------------------------------------

  const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3], [], [5, 2]];
  const CROWDED = 400; // with more points than this in sight a dash is only noise
  const dashes = (lines, at) => (lines.length > MANY || (zoom.to - zoom.from) / data.step_s > CROWDED ? [] : DASHES[at % DASHES.length]);
  const MANY = 6; // more lines than this are told apart by pointing at them

  const bands = (u) => {
    const { ctx, bbox } = u;
    ctx.save();
    data.phases.forEach((phase, at) => {
      const from = Math.max(u.valToPos(phase.from_s, 'x', true), bbox.left);
      const to = Math.min(u.valToPos(phase.to_s, 'x', true), bbox.left + bbox.width);
      if (to <= from) return;
      if (at % 2 === 0) { ctx.fillStyle = colour('--band'); ctx.fillRect(from, bbox.top, to - from, bbox.height); }
    });
    ctx.restore();
  };
  const marks = (u) => {
    const { ctx, bbox } = u;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.font = `${10 * ratio}px system-ui, sans-serif`;
    ctx.textAlign = 'center';
    ctx.lineWidth = ratio;
    let lastLabel = -Infinity;
    for (const fault of data.faults) {
      const at = u.valToPos(fault.injected_s, 'x', true);
      if (at < bbox.left || at > bbox.left + bbox.width) continue;
      const over = Math.min(u.valToPos(Math.max(fault.over_s, fault.injected_s), 'x', true), bbox.left + bbox.width);
      ctx.fillStyle = colour('--fail');
      ctx.globalAlpha = 0.08;
      ctx.fillRect(at, bbox.top, Math.max(over - at, 0), bbox.height);
      ctx.globalAlpha = 0.75;
      ctx.strokeStyle = colour('--fail');
      ctx.setLineDash([4 * ratio, 3 * ratio]);
      ctx.beginPath(); ctx.moveTo(at, bbox.top); ctx.lineTo(at, bbox.top + bbox.height); ctx.stroke();
      ctx.globalAlpha = 1;
      if (at - lastLabel > 14 * ratio) { ctx.fillText(fault.number, at, bbox.top - 3 * ratio); lastLabel = at; }
    }
    ctx.restore();
  };
  const limitLine = (limit) => (u) => {
    const { ctx, bbox } = u;
    const at = u.valToPos(limit.value, 'y', true);
    if (!(at >= bbox.top - 1 && at <= bbox.top + bbox.height)) return;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = colour('--fail');
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([2 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath(); ctx.moveTo(bbox.left, at); ctx.lineTo(bbox.left + bbox.width, at); ctx.stroke();
    ctx.font = `${10.5 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textAlign = 'right';
    const text = `limit: ${limit.label}`;
    const right = bbox.left + bbox.width - 5 * devicePixelRatio;
    const width = ctx.measureText(text).width;
    ctx.fillStyle = colour('--paper');
    ctx.globalAlpha = 0.8;
    ctx.fillRect(right - width - 3 * devicePixelRatio, at - 15 * devicePixelRatio, width + 6 * devicePixelRatio, 13 * devicePixelRatio);
    ctx.globalAlpha = 1;
    ctx.fillStyle = ctx.strokeStyle;
    ctx.fillText(text, right, at - 5 * devicePixelRatio);
    ctx.restore();
  };

  const narrow = () => innerWidth <= 760;
  // Whole decades, and steps of two for bytes: what people read off an axis. Of less than two decades 1, 2 and 5 of each, or what
  // lies evenly between those.
  const decades = (u, axis, least, most) => {
    const within = (values) => values.filter((value) => value >= least * 0.999 && value <= most * 1.001);
    const first = Math.floor(Math.log10(least));
    const powers = Array.from({ length: Math.ceil(Math.log10(most)) - first + 1 }, (_, at) => 10 ** (first + at));
    const inEach = [[1], [1, 2, 5]].map((steps) => within(powers.flatMap((power) => steps.map((step) => step * power))));
    const found = inEach.find((values) => values.length > 1);
    if (found) return found;
    const rough = (most - least) / 5;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((times) => times * power).find((step) => step >= rough);
    return within(Array.from({ length: 8 }, (_, at) => (Math.floor(least / step) + at) * step));
  };
  const POWERS = Array.from({ length: 51 }, (_, power) => 2 ** power);
  const axes = (unit, xValues, logarithmic) => {
    const look = { stroke: () => colour('--soft'), font: '11px system-ui, sans-serif',
      grid: { stroke: () => colour('--line'), width: 1 }, ticks: { stroke: () => colour('--line'), width: 1, size: 4 } };
    return [
      { ...look, grid: { ...look.grid, show: false }, size: 26, gap: 3, values: xValues },
      { ...look, size: narrow() ? 46 : 62, gap: 4, ...(logarithmic ? { splits: decades, filter: (_, splits) => splits } : {}), ...(unit === 'bytes' ? { incrs: POWERS } : {}), values: (_, splits) => splits.map((value) => (value === null ? '' : short(value, unit))) },
    ];
  };
  const times = (_, splits) => splits.map(clock);
  const TIMES = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400, 172800];

  // All points are from the middle of the first to that of the last one; what is shown then is all of the run.
  const wholeOr = (_, least, most) => (least === seconds[0] && most === seconds[seconds.length - 1] ? [zoom.from, zoom.to] : [least ?? zoom.from, most ?? zoom.to]);

  // What a chart spans: from 0, or whole decades, so that the limit is in sight where it is near.
  const span = (chart) => (u, least, most) => {
    const limit = chart.limit ? chart.limit.value : null;
    if (least === null || most === null) return chart.logarithmic ? [0.1, 10] : [0, 1];
    if (chart.logarithmic) {
      const top = limit !== null && limit > most ? limit * 1.6 : most * 1.3;
      return [Math.max(least * 0.8, 1e-3), top];
    }
    const top = limit !== null && limit > most && limit < most * 5 ? limit : most;
    return [0, top > 0 ? top * 1.12 : 1];
  };

  // A value between two gaps is no line: a point.
  const alone = (u, line) => {
    const isGap = (value) => value === null || value === undefined;
    const list = u.data[line];
    const found = [];
    for (let at = 0; at < list.length; at++) {
      if (!isGap(list[at]) && isGap(list[at - 1]) && isGap(list[at + 1])) found.push(at);
    }
    return found;
  };

  const options = (chart, lines, more) => ({
    width: 600, height: more.height || 190, padding: [14, narrow() ? 8 : 14, 0, 0], legend: { show: false },
    cursor: { sync: { key: 'run', setSeries: false }, drag: { x: true, y: false }, points: { size: 6 }, bind: { dblclick: () => () => { showAll(); return null; } }, focus: { prox: lines.length > 1 ? 24 : -1 } },
    focus: { alpha: 0.35 },
    scales: { x: { time: false, range: wholeOr }, y: { distr: chart.logarithmic ? 3 : 1, range: more.range || span(chart) } },
    axes: axes(chart.unit, times, chart.logarithmic).map((axis, at) => (at === 0 ? { ...axis, incrs: TIMES, space: 60 } : axis)),
    series: [{}, ...lines.map((line, at) => {
      const stroke = more.stroke || (() => colour(lines.length > MANY ? '--c1' : `--c${(at % 6) + 1}`));
      const points = { show: false, size: 3, fill: stroke, filter: alone };
      return { label: line.label, width: lines.length > MANY ? 1 : 1.3, dash: dashes(lines, at), stroke, points, spanGaps: false };
    })],
    hooks: {
      drawClear: [bands, ...(more.under || [])],
      draw: [marks, ...(chart.limit ? [limitLine(chart.limit)] : [])],
      setScale: [(u, key) => {
        if (key !== 'x') return;
        const { min, max } = u.scales.x;
        if (min !== zoom.from || max !== zoom.to) queueMicrotask(() => show(min, max));
      }],
      setCursor: [moved],
      setSeries: [(u, at) => { near(u, at); }],
    },
  });
  const moved = (u) => {
    const index = u.cursor.left < 0 ? null : u.cursor.idx ?? null;
    if (index !== cursor) pointAt(index);
  };

  // ---- legends: what the lines are, and their values at the cursor, else their largest -----------------------------

  const sample = (at, many) => {
    const dash = many ? '' : DASHES[at % DASHES.length].join(' ');
    return `<svg viewBox="0 0 22 8" aria-hidden="true"><line x1="0" y1="4" x2="22" y2="4" stroke="var(--c${many ? 1 : (at % 6) + 1})" stroke-width="2" stroke-dasharray="${dash}"/></svg>`;
  };
  const legend = (entry) => {
    const host = entry.legend;
    const many = entry.lines.length > MANY;
    entry.cells = entry.lines.map((line, at) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.setAttribute('aria-pressed', 'true');
      button.innerHTML = sample(at, many);
      button.append(`${line.label} `);
      const cell = document.createElement('b');
      button.append(cell);
      button.addEventListener('click', () => {
        const shown = !entry.plot.series[at + 1].show;
        button.setAttribute('aria-pressed', String(shown));
        entry.plot.setSeries(at + 1, { show: shown });
      });
      return { button, cell };
    });
    // Of many lines what they come to, and each where it is asked for.
    const buttons = entry.cells.map(({ button }) => button);
    if (many) {
      const each = document.createElement('details');
      entry.summary = document.createElement('summary');
      each.append(entry.summary, ...buttons);
      host.append(each);
    } else {
      host.append(...buttons);
    }
    tell(entry);
  };
  const largest = (list) => {
    let most = null;
    for (let at = 0; at < list.length; at++) {
      const second = at * data.step_s;
      if (second + data.step_s <= zoom.from || second >= zoom.to || list[at] === null) continue;
      if (most === null || list[at] > most) most = list[at];
    }
    return most;
  };
  const tell = (entry) => {
    if (!entry.cells) return;
    const now = entry.data.map((list) => (cursor === null ? largest(list) : list[cursor]));
    entry.cells.forEach(({ cell }, at) => { cell.textContent = cursor === null ? `max ${said(now[at], entry.unit)}` : said(now[at], entry.unit); });
    if (entry.summary) {
      const known = now.filter((value) => value !== null);
      const spread = known.length ? `${said(Math.min(...known), entry.unit)} to ${said(Math.max(...known), entry.unit)}` : '–';
      const named = entry.near === undefined ? '' : `; ${entry.lines[entry.near].label}: ${said(now[entry.near], entry.unit)}`;
      entry.summary.innerHTML = `${sample(0, true)} `;
      const bold = document.createElement('b');
      bold.textContent = spread;
      entry.summary.append(`${entry.lines.length} lines, ${cursor === null ? 'their largest values' : 'here'} `, bold, named);
    }
  };
  const near = (u, at) => {
    const entry = plots.find(({ plot }) => plot === u);
    if (!entry || !entry.cells) return;
    entry.near = at === null || at === undefined || at === 0 ? undefined : at - 1;
    entry.cells.forEach(({ button }, other) => button.classList.toggle('near', other === entry.near));
    tell(entry);
  };

  // What a reader who does not see the chart gets.
  const described = (chart, lists) => {
    const of = (line, at) => {
      const known = lists[at].filter((value) => value !== null);
      if (!known.length) return `${line.label}: not measured`;
      const least = known.reduce((one, other) => Math.min(one, other));
      const most = known.reduce((one, other) => Math.max(one, other));
      return `${line.label}: ${said(least, chart.unit)} to ${said(most, chart.unit)}`;
    };
    return `${chart.title}. ${chart.lines.slice(0, 16).map(of).join('; ')}`;
  };

  const mount = (id, chart, more = {}) => {
    const host = place(`plot-${id}`);
    if (!host) return;
    const lists = chart.lines.map(values);
    host.setAttribute('aria-label', more.described || described(chart, lists));
    const plot = new uPlot(options(chart, chart.lines, more), [seconds, ...lists], host);
    const entry = { plot, id, unit: chart.unit, lines: chart.lines, data: lists, legend: place(`legend-${id}`), host };
    plots.push(entry);
    if (more.legend !== false) legend(entry);
  };

  // ---- the map of all latencies --------------------------------------------------------------------------------

  const heatEdge = (row) => 2 ** (row / data.heat.rows_an_octave) / 1000;
  const heat = () => {
    const latency = data.charts.find((chart) => chart.id === 'latency');
    if (!latency || !place('plot-heat')) return;
    let [least, most] = [Infinity, -Infinity];
    for (const column of data.heat.columns) {
      if (!column.length) continue;
      least = Math.min(least, column[0]);
      most = Math.max(most, column[0] + column.length - 1);
    }
    if (most < least) return;
    const cells = (u) => {
      const { ctx } = u;
      const tone = colour('--heat').split(' ').join(',');
      ctx.save();
      ctx.beginPath(); ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height); ctx.clip();
      data.heat.columns.forEach((column, at) => {
        if (!column.length) return;
        const from = u.valToPos(at * data.step_s, 'x', true);
        const to = u.valToPos((at + 1) * data.step_s, 'x', true);
        if (to < u.bbox.left || from > u.bbox.left + u.bbox.width) return;
        let all = 0;
        for (let row = 1; row < column.length; row++) all += column[row];
        for (let row = 1; row < column.length; row++) {
          if (!column[row]) continue;
          const low = u.valToPos(heatEdge(column[0] + row - 1), 'y', true);
          const high = u.valToPos(heatEdge(column[0] + row), 'y', true);
          // A single request stays in sight: from 8 % of the tone for one to all of it for half of a second's load.
          const share = Math.min(1, 2 * column[row] / all);
          ctx.fillStyle = `rgba(${tone},${(0.08 + 0.87 * share ** 0.4).toFixed(3)})`;
          ctx.fillRect(Math.floor(from), Math.floor(high), Math.max(1, Math.ceil(to) - Math.floor(from)), Math.ceil(low) - Math.floor(high));
        }
      });
      ctx.restore();
    };
    const chart = { title: 'Latency, all of it', unit: 'ms', logarithmic: true, limit: null, lines: [{ label: 'requests', decimals: 0, deltas: [[null, data.points]] }] };
    mount('heat', chart, { under: [cells], height: 230, stroke: () => 'transparent', legend: false,
      described: `${chart.title}: from ${said(heatEdge(least), 'ms')} to ${said(heatEdge(most), 'ms')}`, range: () => [heatEdge(least), heatEdge(most)] });
    const key = document.createElement('span');
    key.className = 'key';
    const stops = [0.001, 0.01, 0.1, 0.5].map((share) => {
      const tone = (0.08 + 0.87 * Math.min(1, 2 * share) ** 0.4).toFixed(3);
      return `<svg viewBox="0 0 22 8" aria-hidden="true"><rect width="22" height="8" fill="rgb(var(--heat) / ${tone})"/></svg>${share * 100} %`;
    });
    key.innerHTML = `share of the point's load: ${stops.join(' ')}`;
    place('legend-heat').append(key);
  };

  // ---- the percentile curve ------------------------------------------------------------------------------------

  const curve = () => {
    const host = place('plot-curve');
    if (!host) return;
    const { nines, lines } = data.curve;
    const lists = lines.map((line) => nines.map((_, at) => line.ms[at] ?? null));
    const percent = (nine) => `${+(100 * (1 - 10 ** -nine)).toFixed(Math.max(0, Math.ceil(nine) - 1))} %`;
    const chart = { unit: 'ms', logarithmic: true, limit: null };
    const all = options(chart, lines, { height: 260 });
    const last = nines[nines.length - 1] || 1;
    const tellCurve = (index) => cells.forEach((cell, at) => {
      const shown = index === null ? lists[at].findLastIndex((value) => value !== null) : index;
      cell.textContent = shown < 0 ? '–' : `${percent(nines[shown])} within ${said(lists[at][shown], 'ms')}`;
    });
    const plot = new uPlot({
      ...all, padding: [14, 34, 0, 0],
      cursor: { drag: { x: false, y: false }, points: { size: 6 }, bind: { dblclick: () => () => null } },
      scales: { x: { time: false, range: () => [0, last] }, y: { distr: 3, range: span(chart) } },
      axes: axes('ms', (_, splits) => splits.map((nine) => (Number.isInteger(nine) ? percent(nine) : '')), true).map((axis, at) => (at === 0 ? { ...axis, incrs: [1], grid: { ...axis.grid, show: true } } : axis)),
      hooks: { setCursor: [(u) => tellCurve(u.cursor.left < 0 ? null : u.cursor.idx ?? null)] },
    }, [nines, ...lists], host);
    const cells = lines.map((line, at) => {
      const key = document.createElement('span');
      key.className = 'key';
      key.innerHTML = sample(at, false);
      key.append(`${line.label} `);
      const cell = document.createElement('b');
      key.append(cell);
      place('legend-curve').append(key);
      return cell;
    });
    tellCurve(null);
    host.setAttribute('aria-label', `Latency by percentile. ${cells.map((cell, at) => `${lines[at].label}: ${cell.textContent}`).join('; ')}`);
    return { plot, host, id: 'curve' };
  };

  // ---- keys, themes, sizes, print ------------------------------------------------------------------------------

  const moveTo = (index) => {
    index = Math.min(Math.max(index, 0), data.points - 1);
    const at = seconds[index];
    if (at < zoom.from || at > zoom.to) {
      const width = zoom.to - zoom.from;
      show(at - width / 2, at + width / 2);
    }
    for (const { plot } of plots) plot.setCursor({ left: plot.valToPos(at, 'x'), top: plot.over.clientHeight / 2 }, false, false);
    pointAt(index);
  };
  const keys = (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const [from, to] = [Math.ceil(zoom.from / data.step_s), Math.ceil(zoom.to / data.step_s) - 1];
    const now = cursor ?? from;
    const step = event.shiftKey ? 10 : 1;
    const around = (factor) => {
      const middle = cursor === null ? (zoom.from + zoom.to) / 2 : seconds[cursor];
      const width = (zoom.to - zoom.from) * factor;
      const start = Math.min(Math.max(0, middle - width / 2), Math.max(0, end - width));
      show(start, start + width);
    };
    const todo = {
      ArrowLeft: () => moveTo(now - (cursor === null ? 0 : step)), ArrowRight: () => moveTo(now + (cursor === null ? 0 : step)),
      Home: () => moveTo(from), End: () => moveTo(to),
      '+': () => around(0.5), '=': () => around(0.5), '-': () => around(2), Escape: showAll, 0: showAll,
    }[event.key];
    if (!todo) return;
    todo();
    event.preventDefault();
  };

  const everyPlot = () => [...plots, ...(theCurve ? [theCurve] : [])];
  const redraw = () => everyPlot().forEach(({ plot }) => plot.redraw(false, true));
  const isDark = () => (page.dataset.theme || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';
  const theme = () => {
    const button = place('theme');
    const name = () => { button.textContent = isDark() ? 'Light' : 'Dark'; button.setAttribute('aria-label', `Use ${isDark() ? 'light' : 'dark'} colours`); };
    const kept = (() => { try { return localStorage.getItem('erlmcp-theme'); } catch { return null; } })();
    if (kept === 'dark' || kept === 'light') page.dataset.theme = kept;
    button.hidden = false;
    button.addEventListener('click', () => {
      page.dataset.theme = isDark() ? 'light' : 'dark';
      try { localStorage.setItem('erlmcp-theme', page.dataset.theme); } catch { /* a page from disk may have no store */ }
      name();
      redraw();
    });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { name(); redraw(); });
    name();
  };
  const fit = ({ plot, host }, width = host.clientWidth) => {
    if (width > 0 && width !== plot.width) plot.setSize({ width, height: plot.height });
  };

  theme();
  for (const chart of data.charts) {
    mount(chart.id, chart);
    if (chart.id === 'latency') heat();
  }
  let theCurve = curve();
  strip();
  const resized = new ResizeObserver(() => everyPlot().forEach((entry) => fit(entry)));
  everyPlot().forEach((entry) => { fit(entry); resized.observe(entry.host); });
  place('charts').addEventListener('keydown', keys);

  // Paper is light, as wide as it is, and has nothing to open; only the names of hundreds of lines stay where they are.
  let before;
  let opened = [];
  addEventListener('beforeprint', () => {
    opened = [...document.querySelectorAll(':not(.legend) > details:not([open])')];
    opened.forEach((details) => { details.open = true; });
    before = page.dataset.theme;
    page.dataset.theme = 'light';
    everyPlot().forEach((entry) => fit(entry, Math.min(entry.host.clientWidth, entry.host.closest('#chart-curve') || entry.host.clientWidth > 500 ? 680 : 330)));
    redraw();
  });
  addEventListener('afterprint', () => {
    opened.forEach((details) => { details.open = false; });
    if (before) page.dataset.theme = before; else delete page.dataset.theme;
    everyPlot().forEach((entry) => fit(entry));
    redraw();
  });

  // ---- a page that goes on -------------------------------------------------------------------------------------

  const sameLines = (entry, chart) => entry.lines.length === chart.lines.length && entry.lines.every((line, at) => line.label === chart.lines[at].label);
  const remove = (id) => {
    const at = plots.findIndex((entry) => entry.id === id);
    if (at < 0) return;
    const [{ plot, host, legend: keys }] = plots.splice(at, 1);
    resized.unobserve(host);
    plot.destroy();
    keys.replaceChildren();
  };
  // What had nothing to draw has no place for it yet.
  const makeRoom = (id) => {
    if (place(`plot-${id}`)) return;
    const figure = place(`chart-${id}`);
    figure.querySelector('.empty').remove();
    const plot = Object.assign(document.createElement('div'), { className: 'plot', id: `plot-${id}` });
    plot.setAttribute('role', 'img');
    figure.append(plot, Object.assign(document.createElement('div'), { className: 'legend', id: `legend-${id}` }));
  };
  const mountAnew = (id, draw) => {
    remove(id);
    makeRoom(id);
    draw();
    const entry = plots.find((one) => one.id === id);
    if (!entry) return;
    fit(entry);
    resized.observe(entry.host);
  };
  const refresh = (chart) => {
    const entry = plots.find((one) => one.id === chart.id);
    if (chart.empty) {
      const said = place(`chart-${chart.id}`).querySelector('.empty');
      if (said) said.textContent = `Nothing to draw: ${chart.empty}.`;
    } else if (entry && sameLines(entry, chart)) {
      entry.lines = chart.lines;
      entry.data = chart.lines.map(values);
      entry.host.setAttribute('aria-label', described(chart, entry.data));
      entry.plot.setData([seconds, ...entry.data], false);
    } else {
      const hidden = new Set(entry ? entry.lines.filter((_, at) => !entry.plot.series[at + 1].show).map((line) => line.label) : []);
      mountAnew(chart.id, () => mount(chart.id, chart));
      plots.find((one) => one.id === chart.id).cells.forEach(({ button }, at) => { if (hidden.has(chart.lines[at].label)) button.click(); });
    }
  };
  // The same charts with what has come since; who has zoomed stays there.
  const update = (next) => {
    const seesAll = zoom.from === 0 && zoom.to >= end;
    // Points may have become one: the cursor stays at its time.
    if (cursor !== null) cursor = Math.floor(cursor * data.step_s / next.step_s);
    data = next;
    measure();
    if (cursor !== null && cursor >= data.points) cursor = null;
    if (seesAll) zoom.to = Math.max(end, 1);
    for (const chart of data.charts) {
      refresh(chart);
      if (chart.id === 'latency' && !chart.empty) mountAnew('heat', heat);
    }
    if (data.curve.lines.length) {
      if (theCurve) { resized.unobserve(theCurve.host); theCurve.plot.destroy(); }
      makeRoom('curve');
      place('legend-curve').replaceChildren();
      place('chart-curve').querySelector('figcaption p').textContent =
        `Of ${data.curve.of}: ${data.curve.lines.map((line) => `${line.label} (${grouped(line.requests, 0)} requests)`).join(' and ')}.`;
      theCurve = curve();
      fit(theCurve);
      resized.observe(theCurve.host);
    }
    show(zoom.from, zoom.to);
    pointAt(cursor);
  };

  // For tests and for a live view: what is drawn, and where it stands.
  window.erlmcp = { get data() { return data; }, plots, zoom, show, showAll, values, update, at: () => cursor };
})();
