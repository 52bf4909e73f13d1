// The parts that the page is made of: a view of the admin API in, an element out. Texts go in as text, never as markup.

import { chart, svg } from './charts.js';

const kStates = {
  idle: ['Idle', '·', 'dim'],
  progressing: ['Progressing', '◌', ''],
  baking: ['Baking', '◌', ''],
  promoted: ['Promoted', '✔', 'good'],
  retiring: ['Retiring', '◌', ''],
  retired: ['Retired', '✔', 'good'],
  suspended: ['Suspended', '⚠', 'bad'],
  paused: ['Paused', '‖', 'warn'],
  waiting: ['Waiting', '‖', 'warn'],
  held: ['Held', '⚠', 'warn'],
  rolled_back: ['Rolled back', '✖', 'bad'],
  aborted: ['Aborted', '✖', 'bad'],
};

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === 'class') made.className = value;
    else if (typeof value === 'function') made.addEventListener(key, value);
    else if (value !== null && value !== false) made.setAttribute(key, value === true ? '' : value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

export function stateWord(state) {
  const [word, icon, style] = kStates[state] ?? [state, '?', ''];
  return { word, icon, style };
}

// exact: as a scale needs it, whose middle may be 0.025.
function significant(value, exact) {
  if (exact) return String(Number(value.toPrecision(3)));
  const size = Math.abs(value);
  return value.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}

const orDash = (write) => (value, exact = false) => (value === null || value === undefined ? '–' : write(value, exact));
export const percent = orDash((share, exact) => `${significant(share * 100, exact)} %`);
export const rate = orDash(significant);
export const latency = orDash((seconds, exact) =>
  seconds < 1 ? `${significant(seconds * 1000, exact)} ms` : `${significant(seconds, exact)} s`);
const score = orDash((value) => `${significant(value)} of 5`);
const weight = (value) => `${Number(value.toFixed(2))} %`;

// UTC, as in what the daemon says itself: "next", the log, canaryctl.
export function moment(time, now = Date.now()) {
  const [date, clock] = new Date(time).toISOString().split('T');
  const today = new Date(now).toISOString().startsWith(date);
  return `${today ? '' : `${date} `}${clock.slice(0, 8)}Z`;
}

// ---- The head of a rollout

export function stepBar(rollout) {
  const over = ['baking', 'promoted', 'retiring', 'retired'].includes(rollout.state);
  const index = over ? rollout.steps.length : rollout.step?.index ?? -1;
  const items = rollout.steps.map((step, i) => {
    const style = i < index ? 'done' : i === index ? 'now' : '';
    const icon = i < index ? '✔' : i === index ? stateWord(rollout.state).icon : '·';
    const gate = step.gate ? ` ‖${step.gate}` : '';
    return element('li', { class: style, 'aria-current': i === index ? 'step' : null },
      `${Number(step.weight.toFixed(2))} ${icon}${gate}`);
  });
  if (rollout.bake) {
    const style = rollout.state === 'baking' ? 'now' : over ? 'done' : '';
    items.push(element('li', { class: style }, `bake ${rollout.bake}${style === 'done' ? ' ✔' : ''}`));
  }
  if (rollout.retire) {
    const style = rollout.state === 'retiring' ? 'now' : rollout.state === 'retired' ? 'done' : '';
    items.push(element('li', { class: style }, `retire${style === 'done' ? ' ✔' : ''}`));
  }
  return element('ol', { class: 'steps', 'aria-label': 'Steps' }, ...items);
}

export function stateText(rollout) {
  const { word, icon, style } = stateWord(rollout.state);
  // A word of ours, or what an operator has said.
  const words = /^[a-z_]+$/.test(rollout.reason ?? '') ? rollout.reason.replaceAll('_', ' ') : rollout.reason;
  const reason = words ? ` (${words})` : '';
  return element('span', { class: style }, `${icon} ${word}${reason}`);
}

export function row(rollout, isChosen, choose) {
  return element('button', { class: 'row', 'aria-current': isChosen ? 'true' : null, 'data-key': rollout.name, click: choose },
    element('strong', {}, rollout.name), stateText(rollout), element('span', {}, weight(rollout.weight.target)),
    stepBar(rollout));
}

// What is not stored while nothing fails is on its way to the disk.
function storedLine(rollout) {
  if (rollout.durable) return rollout.journal_failing ? 'the journal cannot be written: no weight rises until it can' : '';
  return rollout.journal_failing ? 'in force, but the state store is failing' : 'in force, not yet stored';
}

export function summary(rollout) {
  const facts = [`${rollout.stable} → ${rollout.canary}`];
  if (rollout.revision) facts.push(`revision ${rollout.revision}`);
  if (rollout.step) facts.push(`step ${rollout.step.index + 1} of ${rollout.step.count}`);
  facts.push(`weight ${weight(rollout.weight.target)}`, `for ${rollout.for}`);
  if (rollout.mode === 'observe') facts.push('observes; only circuit and exposure act');
  if (rollout.frozen_until) facts.push(`frozen until ${moment(rollout.frozen_until)}`);
  const lines = [element('div', { class: 'dim' }, facts.join(' · '))];
  if (rollout.next) lines.push(element('div', {}, `next: ${rollout.next}`));
  if (rollout.postponed) lines.push(element('div', { class: 'warn' }, `⚠ ${rollout.postponed}`));
  const stored = storedLine(rollout);
  if (stored) lines.push(element('div', { class: 'bad' }, stored));
  if (rollout.weight.sample_ratio_ok === false) {
    lines.push(element('div', { class: 'warn' },
      `⚠ the canary gets ${weight(rollout.weight.actual ?? 0)} of the requests, not ${weight(rollout.weight.target)}`));
  }
  return element('div', {}, ...lines);
}

// ---- Figures

function meter(share, style, what) {
  if (share === null || share === undefined) return element('span', { class: 'dim' }, '–');
  const filled = element('i');
  filled.style.width = `${Math.round(100 * share)}%`;
  const text = `${Math.round(100 * share)} %`;
  return element('span', { class: `meter ${style}`, role: 'meter', 'aria-label': what, 'aria-valuemin': 0,
    'aria-valuemax': 100, 'aria-valuenow': Math.round(100 * share), 'aria-valuetext': text },
  element('span', { class: 'bar' }, filled), element('b', {}, text));
}

function writerOf(metric) {
  if (metric.includes('latency')) return latency;
  return metric === 'feedback' ? score : percent;
}

// [text, style].
export function verdictText(metric) {
  if (metric.verdict === 'pass') return ['✔ good', 'good'];
  if (metric.verdict === 'fail') return ['✖ bad', 'bad'];
  if (metric.needs_about) return [`? ~${metric.needs_about} more`, 'dim'];
  // No step waits for it: there is nothing that is open.
  return [metric.evidence && metric.evidence.accept === null ? '–' : '? open', 'dim'];
}

const kOfCohort = { errors: 'error_rate', latency_p50: 'p50', latency_p90: 'p90', latency_p99: 'p99' };

// Else the errors of `analysis` are those of its last evidence, while those of `cohorts` count whatever comes.
function isJudgedNow({ state, reason, weight: { target } }) {
  return ['progressing', 'waiting', 'held', 'paused', 'baking'].includes(state) && target > 0 &&
    reason !== 'environment_degraded';
}

// As it is judged; where it is not, or no longer, as the cohort has it, but for a stable that nobody is sent to.
// Latencies are those of now in either.
export function figureOf(rollout, metric, cohort) {
  const isOfBefore = metric.metric === 'errors' && !isJudgedNow(rollout);
  if (metric[cohort] !== null && !isOfBefore) return metric[cohort];
  if (cohort === 'stable' && rollout.weight.target === 100) return null;
  return rollout.cohorts[cohort][kOfCohort[metric.metric]] ?? null;
}

function metricRow(rollout, metric) {
  const name = metric.metric.replaceAll('_', ' ');
  const cells = [element('td', {}, name)];
  if (metric.reading) {
    cells.push(element('td', { colspan: 3 }, metric.reading.said));
  } else {
    const write = writerOf(metric.metric);
    for (const value of [figureOf(rollout, metric, 'stable'), figureOf(rollout, metric, 'canary'), metric.tolerated]) {
      cells.push(element('td', { class: 'number' }, write(value)));
    }
  }
  const [verdict, style] = verdictText(metric);
  cells.push(element('td', {}, meter(metric.evidence?.rollback, 'bad', `${name}: evidence that it is bad`)),
    element('td', {}, meter(metric.evidence?.accept, 'good', `${name}: evidence that it is good`)),
    element('td', {}, element('span', { class: style }, verdict)));
  return element('tr', {}, ...cells);
}

export function figures(rollout) {
  const { stable, canary } = rollout.cohorts;
  const head = element('tr', {}, ...['', 'stable', 'canary', 'tolerated', 'evidence: bad', 'evidence: good', 'verdict']
    .map((text, i) => element('th', { scope: 'col', class: i >= 1 && i <= 3 ? 'number' : '' }, text)));
  const share = rollout.weight.actual === null ? '' : `share ${weight(rollout.weight.actual)}`;
  const requests = element('tr', {}, element('td', {}, 'requests/s'),
    element('td', { class: 'number' }, rate(stable.rps)), element('td', { class: 'number' }, rate(canary.rps)),
    element('td', { class: 'number' }, share), element('td', { colspan: 3, class: 'dim' },
      `${canary.requests} canary requests in this run`));
  const rows = rollout.analysis.map((metric) => metricRow(rollout, metric));
  return element('div', { class: 'scroll' },
    element('table', { class: 'figures' }, element('thead', {}, head), element('tbody', {}, requests, ...rows)));
}

export function exposure(rollout) {
  if (!rollout.exposure) return element('div');
  const { failed, saved, max } = rollout.exposure;
  const share = max === 0 ? Math.min(failed, 1) : Math.min(failed / max, 1);
  const text = max === null ? `${failed} failed for users` : `${failed} of ${max} failures that users may see`;
  return element('div', {}, element('h3', {}, 'Exposure'),
    element('div', {}, `${text}, ${saved} saved by fallback`),
    max === null ? null : meter(share, share === 1 ? 'bad' : 'warn', 'exposure used'));
}

// ---- Charts

export function legend(windows, chosen, choose) {
  const line = (style, name) => element('span', {}, svg('svg', { viewBox: '0 0 26 8', 'aria-hidden': 'true' },
    svg('path', { class: style, d: 'M0,4H26' })), ` ${name}`);
  const buttons = windows.map((window) => element('button', { class: 'quiet', 'data-key': window,
    'aria-pressed': window === chosen ? 'true' : 'false', click: () => choose(window) }, window));
  return element('div', { class: 'key' }, line('stable', 'stable'), line('canary', 'canary'),
    line('tolerated', 'tolerated'), element('span', { class: 'windows', role: 'group', 'aria-label': 'Time shown' }, ...buttons));
}

// The weight as the history has it: exact, and from before a restart too.
function weightLine(history, rollout, now) {
  const points = history.map((entry) => [Date.parse(entry.time), entry.weight]);
  points.push([now, rollout.weight.target]);
  return { name: '', style: 'weight', steps: true, points };
}

// Since when the canary has users, in ms: what is tolerated of it was nothing before.
export function canarySince(history) {
  const without = history.findLastIndex((entry) => entry.weight === 0);
  const first = history[without + 1];
  return first ? Date.parse(first.time) : Infinity;
}

export function charts(rollout, series, history, range) {
  const reach = 1.5 * (series.step === '5s' ? 5000 : 60000);
  const line = (cohort, key) => ({ name: cohort, style: cohort,
    points: series.items.map((item) => [Date.parse(item.time), item[cohort][key]]) });
  const tolerated = (name) => rollout.analysis.find((metric) => metric.metric === name)?.tolerated ?? null;
  const both = (title, key, metric, show) => chart(
    { title, show, lines: [line('stable', key), line('canary', key)], level: tolerated(metric),
      levelFrom: canarySince(history) }, range, reach);
  return element('div', { class: 'charts' },
    chart({ title: 'Weight', show: weight, ceiling: 10, lines: [weightLine(history, rollout, range[1])] }, range, reach),
    both('Error rate', 'error_rate', 'errors', percent),
    both('Latency p50', 'p50', 'latency_p50', latency),
    both('Latency p90', 'p90', 'latency_p90', latency),
    both('Latency p99', 'p99', 'latency_p99', latency));
}

// ---- What is around a rollout

export function endpoints(upstreams, rollout) {
  const parts = [element('h3', {}, 'Endpoints')];
  for (const name of [rollout.stable, rollout.canary]) {
    const upstream = upstreams.find((each) => each.name === name);
    if (!upstream) continue;
    const items = upstream.endpoints.map((endpoint) => {
      const [mark, style] = !endpoint.healthy ? ['✖ down', 'bad'] : endpoint.ejected ? ['⚠ ejected', 'warn'] : ['✔ up', 'good'];
      return element('li', {}, element('span', { class: style }, mark), ` ${endpoint.address} `,
        element('span', { class: 'dim' }, `${endpoint.active_requests} under way`));
    });
    parts.push(element('div', {}, `${name} (${name === rollout.stable ? 'stable' : 'canary'})`),
      element('ul', { class: 'plain' }, ...items));
    if (upstream.source_error) parts.push(element('div', { class: 'bad' }, `${upstream.source}: ${upstream.source_error}`));
  }
  return element('div', {}, ...parts);
}

export function timeline(history) {
  const kShown = 15;
  const items = history.slice(-kShown).reverse().map((entry) => element('li', {},
    element('span', { class: 'time' }, moment(entry.time)), ` ${entry.message}`));
  return element('div', {}, element('h3', {}, 'History'), element('ul', { class: 'plain' }, ...items));
}

function retireWord(route, rollouts) {
  const retire = rollouts.find((rollout) => rollout.name === route.rollout)?.retire;
  if (!retire) return '';
  if (retire.undo_until) return `undo until ${moment(retire.undo_until)}`;
  if (retire.kept) return 'kept';
  if (['failed', 'unknown'].includes(retire.hook)) return `hook ${retire.hook}${retire.said ? `: ${retire.said}` : ''}`;
  if (retire.open > 0) return `in use: ${retire.open} open`;
  return retire.idle === null ? '' : `idle ${retire.idle} of ${retire.idle_for}`;
}

// Of who moves away from something for good, not of each rollout: `migration`, `retire` or a sunset says so.
function isMigration(migration, rollouts) {
  return migration.from.length > 0 && (migration.paths !== null || rollouts.some((rollout) => rollout.retire) ||
    migration.items.some((route) => route.sunset));
}

export function migrationMap(migration, rollouts) {
  if (!isMigration(migration, rollouts)) return null;
  const head = element('tr', {}, ...['route', 'match', 'owner', 'moved now', 'moved of all', 'retire', 'sunset']
    .map((text) => element('th', { scope: 'col' }, text)));
  const rows = migration.items.map((route) => {
    const owner = route.state === 'answered' ? 'canaryd' : [route.from, route.to].filter(Boolean).join(' → ');
    return element('tr', {}, element('td', {}, route.name), element('td', { class: 'dim' }, route.match),
      element('td', {}, owner), element('td', {}, route.weight === null ? '–' : weight(route.weight)),
      element('td', {}, meter(route.share, 'good', `${route.name}: moved`)),
      element('td', {}, retireWord(route, rollouts)),
      element('td', {}, route.sunset ? new Date(route.sunset).toISOString().slice(0, 10) : ''));
  });
  const left = migration.requests.no_route > 0 ? `; ${migration.requests.no_route} requests no route took` : '';
  return element('div', { class: 'card' },
    element('h2', {}, `Leaving ${migration.from.join(', ')}`),
    element('div', { class: 'dim' }, `${migration.routes.moved} of ${migration.routes.total} routes and ` +
      `${percent(migration.requests.share)} of the requests have moved${left}`),
    element('div', { class: 'scroll' },
      element('table', { class: 'figures' }, element('thead', {}, head), element('tbody', {}, ...rows))));
}
