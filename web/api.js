// How the page talks to the daemon that it came from: requests, the stream of events, the token.
//
// The token stays in this tab (sessionStorage) and goes nowhere but into the Authorization field. The stream is read by
// fetch, because an EventSource cannot send that field.

const kTokenKey = 'canaryd.token';
// Longer than the daemon lets an action take.
const kPatience = 35000;
// The stream has a comment every 15 s: silence for so long is a connection that is dead at the other end.
const kSilence = 40000;
// Nobody has shown a good token: only another one is worth asking again soon.
const kRefusedWait = 600000;

export const token = {
  get: () => sessionStorage.getItem(kTokenKey) ?? '',
  set: (text) => (text ? sessionStorage.setItem(kTokenKey, text) : sessionStorage.removeItem(kTokenKey)),
};

// What the daemon, or the way to it, has answered in place of what was asked for; status 0: nothing.
export class Refusal extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

function fields(more = {}) {
  return token.get() ? { ...more, Authorization: `Bearer ${token.get()}` } : more;
}

async function ask(path, options) {
  let response;
  try {
    const signal = options.signal ?? AbortSignal.timeout(kPatience);
    response = await fetch(path, { ...options, signal, headers: fields(options.headers), cache: 'no-store' });
  } catch {
    throw new Refusal(0, 'the daemon does not answer');
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new Refusal(response.status, problem.detail ?? `status ${response.status}`);
}

export async function get(path) {
  return (await ask(path, {})).json();
}

// `generation`: refused if the rollout has moved on since it was looked at; left out for what must always work.
export async function act(rollout, action, body, generation) {
  const headers = { 'Content-Type': 'application/json' };
  if (generation !== undefined) headers['If-Match'] = `"${generation}"`;
  const path = `/api/v1/rollouts/${encodeURIComponent(rollout)}/${action}`;
  return (await ask(path, { method: 'POST', headers, body: JSON.stringify(body) })).json();
}

// One event of a stream as text; a comment gives nothing.
function parseEvent(frame) {
  const event = { id: '', type: '', data: '' };
  for (const line of frame.split('\n')) {
    const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (name === 'event') event.type = value;
    if (name === 'id' || name === 'data') event[name] += value;
  }
  return event.type ? event : null;
}

async function readStream(response, onEvent) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const watchdog = setTimeout(() => reader.cancel(), kSilence);
    const { done, value } = await reader.read();
    clearTimeout(watchdog);
    if (done) return;
    text += value;
    const frames = text.split('\n\n');
    text = frames.pop();
    for (const event of frames.map(parseEvent)) if (event) onEvent(event);
  }
}

let interrupt = new AbortController();

// Begins the stream anew, at once: with another token, say.
export function reconnect() {
  interrupt.abort();
}

// A browser has few connections to one host: what nobody looks at gives up its own.
document.addEventListener('visibilitychange', () => {
  if (document.hidden) reconnect();
});

function untilVisible() {
  return new Promise((done) => {
    if (!document.hidden) return done();
    const look = () => {
      if (document.hidden) return;
      document.removeEventListener('visibilitychange', look);
      done();
    };
    document.addEventListener('visibilitychange', look);
  });
}

function rest(time, signal) {
  return new Promise((done) => {
    if (signal.aborted) return done();
    setTimeout(done, time);
    signal.addEventListener('abort', done, { once: true });
  });
}

async function openStream(last, controller) {
  const headers = { Accept: 'text/event-stream' };
  if (last) headers['Last-Event-ID'] = last;
  const watchdog = setTimeout(() => controller.abort(), kPatience);
  try {
    return await ask('/api/v1/events', { signal: controller.signal, headers });
  } finally {
    clearTimeout(watchdog);
  }
}

// Follows what happens while the page is seen. After a loss it goes on behind the last event that it has seen.
// `onState(live, error)` tells how it goes; the promise that it gives is waited for before the stream is read.
export async function follow(onEvent, onState) {
  const kFirstWait = 500;
  const kLongestWait = 10000;
  let wait = kFirstWait;
  let last = '';
  for (;;) {
    await untilVisible();
    const controller = new AbortController();
    interrupt = controller;
    let refused = false;
    try {
      const response = await openStream(last, controller);
      await onState(true);
      wait = kFirstWait;
      await readStream(response, (event) => {
        last = event.id || last;
        onEvent(event.type, JSON.parse(event.data));
      });
      await onState(false, new Refusal(0, 'the stream has ended'));
    } catch (error) {
      refused = error.status === 401;
      await onState(false, error instanceof Refusal ? error : new Refusal(0, 'the stream broke off'));
    }
    await rest(refused ? kRefusedWait : wait, controller.signal);
    wait = controller.signal.aborted ? kFirstWait : Math.min(2 * wait, kLongestWait);
    controller.abort(); // A stream that was opened and not read.
  }
}
