// The dashboard: what is known, and when it is drawn. A part is drawn again only when what it shows has changed, so that
// a button stays under the pointer and a reader keeps his place.

import { act, follow, get, reconnect, Refusal, token } from './api.js';
import * as parts from './parts.js';

const kWindows = { '15m': 15 * 60e3, '1h': 3600e3, '6h': 6 * 3600e3, '24h': 24 * 3600e3 };
const kSeriesEvery = 5000;
const kAroundEvery = 5000;

const known = {
  caller: null, // {name, role}; null: nobody yet.
  rollouts: [],
  upstreams: [],
  migration: { from: [] },
  history: {}, // By rollout, as are the points.
  series: {},
  window: '15m',
};
const page = (id) => document.getElementById(id);

// ---- Drawing

const drawn = new Map();
function draw(id, shown, make) {
  const text = JSON.stringify(shown);
  if (drawn.get(id) === text) return;
  drawn.set(id, text);
  const made = make();
  page(id).replaceChildren(...(made === null ? [] : [made].flat()));
}

function nameInAddress() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return ''; // Half a percent-encoding.
  }
}

// "#checkout" names the rollout that is shown; without one it is the first.
function chosen() {
  const name = nameInAddress();
  return known.rollouts.find((rollout) => rollout.name === name) ?? known.rollouts[0];
}

function drawList() {
  const current = chosen()?.name;
  const rows = known.rollouts.map(({ name, state, reason, weight, steps, step, bake, retire }) => (
    { name, state, reason, weight: { target: weight.target }, steps, step: step && { index: step.index }, bake, retire }));
  draw('list', [rows, current, known.caller], () => {
    if (rows.length === 0) return parts.element('div', { class: 'card dim' }, known.caller ? 'There are no rollouts.' : '');
    return rows.map((rollout) => parts.row(rollout, rollout.name === current, () => {
      location.hash = encodeURIComponent(rollout.name);
    }));
  });
}

const kParts = ['title', 'actions', 'summary', 'steps', 'figures', 'key', 'charts', 'exposure', 'endpoints', 'timeline'];

// The places of the parts, once for each rollout that is shown.
function layOut(rollout) {
  draw('detail', rollout?.name ?? '', () => {
    for (const part of kParts) drawn.delete(part);
    if (!rollout) return null;
    const at = Object.fromEntries(kParts.map((part) => [part, parts.element('div', { id: part })]));
    at.actions.className = 'actions';
    const title = parts.element('div', { class: 'title' }, at.title, at.actions);
    const columns = parts.element('div', { class: 'columns' },
      parts.element('div', {}, at.exposure, at.endpoints), at.timeline);
    return parts.element('div', { class: 'card' }, title, at.steps, at.summary, at.figures, at.key, at.charts, columns);
  });
}

function drawDetail() {
  const rollout = chosen();
  layOut(rollout);
  if (!rollout) return;
  const { name, state } = rollout;
  draw('title', [name, state, rollout.reason], () => [
    parts.element('h2', {}, name, ' ', parts.stateText(rollout))]);
  draw('actions', [state, rollout.step?.gate, known.caller], () => actionsOf(rollout));
  draw('steps', [state, rollout.step?.index, rollout.steps, rollout.bake, rollout.retire], () => parts.stepBar(rollout));
  draw('summary', { ...rollout, cohorts: 0, analysis: 0, exposure: 0 }, () => parts.summary(rollout));
  draw('figures', [rollout.cohorts, rollout.analysis, rollout.weight], () => parts.figures(rollout));
  draw('exposure', rollout.exposure, () => parts.exposure(rollout));
  draw('endpoints', [known.upstreams, rollout.stable, rollout.canary], () => parts.endpoints(known.upstreams, rollout));
  draw('timeline', known.history[name] ?? [], () => parts.timeline(known.history[name] ?? []));
  draw('key', known.window, () => parts.legend(Object.keys(kWindows), known.window, (window) => {
    known.window = window;
    drawDetail();
    settle(lookAtSeries());
  }));
  document.title = `${parts.stateWord(state).icon} ${rollout.weight.target} % ${name} – canaryd`;
}

function drawCharts() {
  const rollout = chosen();
  const series = rollout && known.series[rollout.name];
  if (!series) return;
  // The daemon's clock, not the browser's.
  const now = Date.parse(series.time);
  const range = [now - kWindows[known.window], now];
  draw('charts', [series, known.history[rollout.name], rollout.weight.target], () => parts.charts(rollout, series, known.history[rollout.name] ?? [], range));
}

function drawMap() {
  const retire = known.rollouts.map((rollout) => [rollout.name, rollout.retire]);
  draw('map', [known.migration, retire], () => parts.migrationMap(known.migration, known.rollouts));
}

function drawCaller() {
  page('sign-in').hidden = known.caller !== null;
  page('sign-out').hidden = token.get() === '';
  page('caller').textContent = known.caller ? `${known.caller.name} (${known.caller.role})` : '';
}

function drawAll() {
  drawCaller();
  drawList();
  drawDetail();
  drawMap();
}

// Once for all samples of a moment: there may be many rollouts.
let isDue = false;
function drawSoon() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    drawAll();
  });
}

function notice(text) {
  page('notice').hidden = text === '';
  page('notice').textContent = text;
}

// ---- Doing

// What may be asked of a rollout in its state. `always`: whatever has happened since it was looked at.
const kActions = [
  { word: 'start', label: 'Start', in: ['idle'] },
  { word: 'promote', label: 'Promote', in: ['progressing', 'waiting', 'held', 'paused', 'baking'] },
  { word: 'resume', label: 'Resume', in: ['paused', 'held'] },
  { word: 'retry', label: 'Retry', in: ['rolled_back', 'aborted'] },
  { word: 'pause', label: 'Pause', always: true, in: ['progressing', 'waiting', 'held', 'baking', 'suspended'] },
  { word: 'unretire', label: 'Keep stable', always: true, in: ['retiring'] },
  { word: 'abort', label: 'Abort', always: true, danger: true,
    in: ['idle', 'progressing', 'waiting', 'held', 'paused', 'baking', 'suspended', 'promoted', 'retiring'] },
];

const kMeaning = {
  start: 'The canary gets its first users.',
  promote: 'The next step is taken now, whatever the evidence says.',
  resume: 'The rollout goes on.',
  retry: 'The rollout begins again at its first step, with fresh evidence.',
  pause: 'The weight stays as it is. A bad verdict still rolls back.',
  abort: 'Everybody is on stable from the next request on.',
  unretire: 'The old version is not retired, unless its hook was called already.',
  approve: 'The gate opens for the step that waits at it.',
};

function actionsOf(rollout) {
  const may = ['operator', 'admin'].includes(known.caller?.role);
  const why = may ? null : 'this takes the role operator';
  const fitting = kActions.filter((action) => action.in.includes(rollout.state));
  if (rollout.state === 'waiting' && rollout.step?.gate) {
    fitting.unshift({ word: 'approve', label: `Approve ${rollout.step.gate}`, body: { gate: rollout.step.gate } });
  }
  return fitting.map((action) => parts.element('button',
    { class: action.danger ? 'danger' : '', disabled: !may, title: why, click: () => confirm(rollout.name, action) },
    action.label));
}

// Asks for the reason, and does it.
function confirm(name, action) {
  const dialog = page('ask');
  const { generation } = known.rollouts.find((rollout) => rollout.name === name);
  page('ask-title').textContent = `${action.label} ${name}?`;
  page('ask-text').textContent = kMeaning[action.word];
  page('ask-error').textContent = '';
  page('ask-reason').value = '';
  page('ask-yes').textContent = action.label;
  page('ask-yes').className = action.danger ? 'danger' : '';
  dialog.querySelector('form').onsubmit = async (event) => {
    event.preventDefault();
    page('ask-yes').disabled = true;
    try {
      const body = { ...action.body, reason: page('ask-reason').value };
      put(await act(name, action.word, body, action.always ? undefined : generation));
      dialog.close();
    } catch (error) {
      page('ask-error').textContent = error.status === 412
        ? 'The rollout has moved on since you looked. Close this, and look again.' : error.message;
    } finally {
      page('ask-yes').disabled = false;
    }
  };
  page('ask-no').onclick = () => dialog.close();
  dialog.showModal();
  page('ask-reason').focus();
}

// ---- Knowing

function put(rollout) {
  const at = known.rollouts.findIndex((each) => each.name === rollout.name);
  if (at < 0) return settle(lookAtAll());
  const moved = known.rollouts[at].generation !== rollout.generation;
  known.rollouts[at] = rollout;
  // Once more: by now the journal has what the event has told.
  if (moved && rollout.name === chosen().name) settle(lookAtHistory(rollout.name));
  drawSoon();
}

async function lookAtHistory(name) {
  const { items } = await get(`/api/v1/rollouts/${encodeURIComponent(name)}/history?limit=200`);
  known.history[name] = items;
  drawDetail();
  drawCharts();
}

async function lookAtSeries() {
  const rollout = chosen();
  if (!rollout) return;
  const path = `/api/v1/rollouts/${encodeURIComponent(rollout.name)}/series?window=${known.window}`;
  known.series[rollout.name] = await get(path);
  drawCharts();
}

async function lookAround() {
  const [upstreams, migration] = await Promise.all([get('/api/v1/upstreams'), get('/api/v1/migration')]);
  known.upstreams = upstreams.items;
  known.migration = migration;
  drawDetail();
  drawMap();
}

async function lookAtAll() {
  const [caller, build, rollouts] = await Promise.all(
    ['/api/v1/whoami', '/api/v1/build', '/api/v1/rollouts'].map(get));
  known.caller = caller;
  known.rollouts = rollouts.items;
  page('daemon').textContent = `v${build.version}`;
  notice('');
  drawAll();
  await Promise.all([lookAround(), lookAtSeries(), ...chosenHistory()]);
}

function chosenHistory() {
  const rollout = chosen();
  return rollout ? [lookAtHistory(rollout.name)] : [];
}

function forget() {
  known.caller = null;
  known.rollouts = [];
  known.migration = { from: [] };
  drawAll();
}

// ---- Events

const kHandlers = {
  sample: put,
  transition: (event) => {
    if (event.rollout === chosen()?.name) settle(lookAtHistory(event.rollout));
  },
  reload: () => settle(lookAtAll()),
  missed: () => settle(lookAtAll()),
  verdict: () => {}, // The next sample has it.
};

// What fails is said by the stream too, which is asked again and again; then everything is looked at anew.
function settle(promise) {
  promise.catch((error) => {
    if (error instanceof Refusal && error.status !== 0) notice(error.message);
  });
}

async function onState(live, why) {
  page('link').className = live ? 'live' : 'lost';
  page('link').textContent = live ? '● live' : `○ not live: ${why}`;
  if (live) return lookAtAll();
  try {
    await lookAtAll(); // There may be answers where there is no stream.
  } catch (error) {
    if (error.status === 401) forget();
    if (error.status !== 0) notice(error.message);
  }
}

function everyWhile(interval, look) {
  setInterval(() => {
    if (!document.hidden && known.caller !== null && page('link').className === 'live') settle(look());
  }, interval);
}

page('sign-in').addEventListener('submit', (event) => {
  event.preventDefault();
  token.set(page('token').value.trim());
  page('token').value = '';
  reconnect();
});
page('sign-out').addEventListener('click', () => {
  token.set('');
  reconnect();
});
addEventListener('hashchange', () => {
  drawAll();
  settle(Promise.all([lookAtSeries(), ...chosenHistory()]));
});

everyWhile(kSeriesEvery, lookAtSeries);
everyWhile(kAroundEvery, lookAround);
drawCaller();
follow((type, data) => kHandlers[type]?.(data), onState);
