// The dashboard: what is known, and when it is drawn. A part is drawn again only when what it shows has changed, so that
// a button stays under the pointer and a reader keeps his place.

import { actionsOf, kMeaning } from './actions.js';
import { act, follow, get, reconnect, Refusal, token } from './api.js';
import * as parts from './parts.js';

const kWindows = { '15m': 15 * 60e3, '1h': 3600e3, '6h': 6 * 3600e3, '24h': 24 * 3600e3 };
const kSeriesEvery = 5000;
const kAroundEvery = 5000;
const kHiddenEvery = 10000;

const known = {
  caller: null, // {name, role}; null: nobody yet.
  rollouts: [],
  upstreams: [],
  migration: { from: [], items: [], paths: null },
  history: {}, // By rollout, as are the points.
  series: {},
  window: '15m',
  session: 0, // Another one after each sign-out.
};
const page = (id) => document.getElementById(id);

// ---- Drawing

// Whoever uses the keyboard keeps his place as well: what is drawn again has the focus by its key.
const focusIn = (place) => place.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
const giveFocus = (place, key) => [...place.querySelectorAll('[data-key]')].find((each) => each.dataset.key === key)
  ?.focus({ preventScroll: true });

const drawn = new Map();
function draw(id, shown, make) {
  const text = JSON.stringify(shown);
  if (drawn.get(id) === text) return;
  try {
    const made = make();
    const focused = focusIn(page(id));
    page(id).replaceChildren(...(made === null ? [] : [made].flat()));
    drawn.set(id, text);
    if (focused) giveFocus(page(id), focused);
  } catch (error) {
    reportError(error); // The other parts are drawn all the same.
  }
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
    { name, state, reason, weight: { target: weight.target }, steps, step: step && { index: step.index }, bake,
      retire: retire !== null }));
  draw('list', [rows, current, known.caller], () => {
    if (rows.length === 0) return parts.element('div', { class: 'card dim' }, known.caller ? 'There are no rollouts.' : '');
    return rows.map((rollout) => parts.row(rollout, rollout.name === current, () => {
      location.hash = encodeURIComponent(rollout.name);
    }));
  });
  reveal(current);
}

// Once for each that is chosen: whoever scrolls the list afterwards keeps his place.
let revealed = null;
function reveal(name) {
  if (revealed === name) return;
  revealed = name;
  const row = page('list').querySelector('.row[aria-current]')?.getBoundingClientRect();
  const seen = page('list').getBoundingClientRect();
  if (row && (row.top < seen.top || row.bottom > seen.bottom)) page('list').scrollTop += row.top - seen.top;
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
  const actions = actionsOf(rollout);
  draw('actions', [actions.map((action) => action.label), known.caller], () => buttonsOf(name, actions));
  draw('steps', [state, rollout.step?.index, rollout.steps, rollout.bake, rollout.retire !== null],
    () => parts.stepBar(rollout));
  draw('summary', { ...rollout, cohorts: 0, analysis: 0, exposure: 0 }, () => parts.summary(rollout));
  draw('figures', [state, rollout.reason, rollout.cohorts, rollout.analysis, rollout.weight], () => parts.figures(rollout));
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
  if (!series || series.asked !== known.window) return;
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

function buttonsOf(name, actions) {
  const may = ['operator', 'admin'].includes(known.caller?.role);
  const why = may ? null : 'this takes the role operator';
  return actions.map((action) => parts.element('button',
    { class: action.danger ? 'danger' : '', disabled: !may, title: why, 'data-key': action.word,
      click: () => confirm(name, action) },
    action.label));
}

function whyNot(error) {
  return error.status === 412 ? 'The rollout has moved on since you looked. Close this, and look again.' : error.message;
}

// Asks for the reason, and does it. An answer that comes when something else is asked changes nothing of that.
let asked = 0;
function confirm(name, action) {
  const dialog = page('ask');
  const mine = ++asked;
  const isMine = () => asked === mine && dialog.open;
  const { generation } = known.rollouts.find((rollout) => rollout.name === name);
  page('ask-title').textContent = `${action.label} ${name}?`;
  page('ask-text').textContent = kMeaning[action.word];
  page('ask-error').textContent = '';
  page('ask-reason').value = '';
  page('ask-yes').textContent = action.label;
  page('ask-yes').className = action.danger ? 'danger' : '';
  page('ask-yes').disabled = false;
  dialog.querySelector('form').onsubmit = async (event) => {
    event.preventDefault();
    page('ask-yes').disabled = true;
    try {
      const body = { ...action.body, reason: page('ask-reason').value };
      put(await act(name, action.word, body, action.always ? undefined : generation));
      if (isMine()) dialog.close();
    } catch (error) {
      if (!isMine()) return notice(`${action.label} ${name}: ${whyNot(error)}`);
      page('ask-error').textContent = whyNot(error);
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
  const before = known.rollouts[at];
  known.rollouts[at] = rollout;
  // Once more: by now the journal has what the event has told.
  const moved = before.generation !== rollout.generation || before.durable !== rollout.durable;
  if (moved && rollout.name === chosen().name) settle(lookAtHistory(rollout.name));
  drawSoon();
}

async function lookAtHistory(name) {
  const { items } = await get(`/api/v1/rollouts/${encodeURIComponent(name)}/history?limit=200`);
  const newest = (list) => list?.at(-1)?.id ?? 0;
  if (newest(items) < newest(known.history[name])) return; // Overtaken by a later one.
  known.history[name] = items;
  drawDetail();
  drawCharts();
}

async function lookAtSeries() {
  const rollout = chosen();
  if (!rollout) return;
  const asked = known.window;
  const series = await get(`/api/v1/rollouts/${encodeURIComponent(rollout.name)}/series?window=${asked}`);
  if (asked !== known.window) return; // Somebody wants another one by now.
  known.series = { [rollout.name]: { ...series, asked } };
  drawCharts();
}

async function lookAround() {
  const [upstreams, migration] = await Promise.all([get('/api/v1/upstreams'), get('/api/v1/migration')]);
  known.upstreams = upstreams.items;
  known.migration = migration;
  drawDetail();
  drawMap();
}

function lookAtChosen() {
  const rollout = chosen();
  if (!rollout) return;
  settle(lookAtSeries());
  settle(lookAtHistory(rollout.name));
}

// Who we are and what there is; what is around that comes when it comes.
async function lookAtAllNow() {
  const session = known.session;
  const [caller, build, rollouts] = await Promise.all(
    ['/api/v1/whoami', '/api/v1/build', '/api/v1/rollouts'].map(get));
  if (session !== known.session) return; // Signed out meanwhile.
  known.caller = caller;
  known.rollouts = rollouts.items;
  page('daemon').textContent = `v${build.version}`;
  notice('');
  drawAll();
  settle(lookAround());
  lookAtChosen();
}

let looking = null;
function lookAtAll() {
  looking ??= lookAtAllNow().finally(() => {
    looking = null;
  });
  return looking;
}

function forget() {
  known.session += 1;
  known.caller = null;
  known.rollouts = [];
  known.migration = { from: [], items: [], paths: null };
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
  dropped: () => settle(lookAtAll()),
  verdict: () => {}, // The next sample has it.
};

// A daemon that is away is told of by the stream.
function settle(promise) {
  promise.catch((error) => {
    if (!(error instanceof Refusal)) throw error;
    if (error.status !== 0 && known.caller !== null) notice(error.message);
  });
}

async function onState(live, error) {
  page('link').className = live ? 'live' : 'lost';
  page('link').textContent = live ? '● live' : `○ not live: ${error.message}`;
  if (live) return lookAtAll();
  if (error.status === 401) {
    forget();
    notice(error.message);
  } else if (error.status !== 0) {
    settle(lookAtAll()); // There may be answers where there is no stream.
  }
}

// Not while the last one is still under way.
function every(interval, isDue, look) {
  let busy = false;
  setInterval(async () => {
    if (busy || known.caller === null || !isDue()) return;
    busy = true;
    try {
      await look();
      notice('');
    } catch (error) {
      settle(Promise.reject(error));
    } finally {
      busy = false;
    }
  }, interval);
}

page('sign-in').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = page('token').value.trim();
  page('token').value = '';
  if (!/^[!-~]+$/.test(text)) return notice('a token has letters, digits and signs of ASCII only');
  token.set(text);
  reconnect();
});
page('sign-out').addEventListener('click', () => {
  token.set('');
  forget();
  reconnect();
});
addEventListener('hashchange', () => {
  drawAll();
  lookAtChosen();
});

const isLive = () => !document.hidden && page('link').className === 'live';
every(kSeriesEvery, isLive, lookAtSeries);
every(kAroundEvery, isLive, lookAround);
// A tab that nobody looks at still has a title.
every(kHiddenEvery, () => document.hidden, lookAtAll);
drawCaller();
follow((type, data) => kHandlers[type]?.(data), onState);
