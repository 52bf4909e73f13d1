// What the dashboard's parts say: `node --test`, no browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { canarySince, figureOf, latency, moment, percent, verdictText } from '../../web/parts.js';

test('a scale says where its lines are', () => {
  assert.equal(percent(0.00025, true), '0.025 %');
  assert.equal(percent(0.5, true), '50 %');
  assert.equal(percent(0, true), '0 %');
  assert.equal(latency(0.0005, true), '0.5 ms');
  assert.equal(percent(0.00025), '0.03 %');
});

test('the canary has users since the last time that it had none', () => {
  const at = (weight, time) => ({ weight, time: `2026-01-01T00:00:0${time}Z` });
  const second = (time) => Date.parse(`2026-01-01T00:00:0${time}Z`);
  assert.equal(canarySince([at(5, 1), at(20, 2)]), second(1));
  assert.equal(canarySince([at(5, 1), at(0, 2), at(5, 3), at(20, 4)]), second(3));
  assert.equal(canarySince([at(5, 1), at(0, 2)]), Infinity);
  assert.equal(canarySince([]), Infinity);
});

test('figures of errors are those of now where nothing is judged', () => {
  const cohorts = { stable: { error_rate: 1, p99: 0.5 }, canary: { error_rate: 0.05, p99: 0.5 } };
  const errors = { metric: 'errors', stable: 0, canary: 0.04 };
  const stable = (state, target, reason = null) =>
    figureOf({ state, reason, weight: { target }, cohorts }, errors, 'stable');
  for (const state of ['progressing', 'waiting', 'held', 'paused', 'baking']) assert.equal(stable(state, 20), 0, state);
  for (const state of ['suspended', 'rolled_back', 'aborted', 'paused']) assert.equal(stable(state, 0), 1, state);
  assert.equal(stable('held', 20, 'environment_degraded'), 1);
  const p999 = { metric: 'latency_p99.9', stable: 0.9, canary: 0.9 };
  assert.equal(figureOf({ state: 'aborted', weight: { target: 0 }, cohorts }, p999, 'stable'), 0.9);
});

test('times are those of UTC, with a date unless that is today', () => {
  const now = Date.parse('2026-01-05T23:59:00Z');
  assert.equal(moment('2026-01-05T00:02:03Z', now), '00:02:03Z');
  assert.equal(moment('2026-01-04T23:59:59+00:00', now), '2026-01-04 23:59:59Z');
  assert.equal(moment('2026-01-06T01:00:00+02:00', now), '23:00:00Z');
});

test('a verdict is open where a step waits for it', () => {
  const text = (metric) => verdictText({ verdict: 'open', needs_about: null, ...metric })[0];
  assert.equal(text({ verdict: 'pass' }), '✔ good');
  assert.equal(text({ verdict: 'fail', evidence: { rollback: 1, accept: null } }), '✖ bad');
  assert.equal(text({ evidence: { rollback: 0, accept: 0.2 }, needs_about: '6m' }), '? ~6m more');
  assert.equal(text({ evidence: { rollback: 0, accept: 0 } }), '? open');
  assert.equal(text({ evidence: { rollback: 0, accept: null } }), '–');
  assert.equal(text({ evidence: null, reading: {} }), '? open');
});

test('a figure that is not judged is that of the cohort, unless nobody is there', () => {
  const cohort = { error_rate: 0.1, p99: 0.5 };
  const at = (target) => ({ state: 'progressing', weight: { target }, cohorts: { stable: cohort, canary: cohort } });
  const errors = { metric: 'errors', stable: null, canary: 0.3 };
  assert.equal(figureOf(at(50), errors, 'stable'), 0.1);
  assert.equal(figureOf(at(50), errors, 'canary'), 0.3);
  assert.equal(figureOf(at(100), errors, 'stable'), null);
  assert.equal(figureOf(at(50), { metric: 'limit_errors', stable: null, canary: 1 }, 'stable'), null);
});
