// Which buttons a rollout has.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { actionsOf, kMeaning } from '../../web/actions.js';

function words(state, more = {}) {
  return actionsOf({ state, reason: null, retire: null, step: null, ...more }).map((action) => action.word);
}

test('whatever goes on can be aborted', () => {
  for (const state of ['idle', 'progressing', 'waiting', 'held', 'paused', 'baking', 'suspended', 'promoted', 'retiring']) {
    assert.ok(words(state).includes('abort'), state);
  }
  for (const state of ['aborted', 'rolled_back', 'retired']) assert.ok(!words(state).includes('abort'), state);
});

test('after a bad verdict only a retry goes on', () => {
  assert.deepEqual(words('held', { reason: 'verdict' }), ['retry', 'pause', 'abort']);
  assert.deepEqual(words('paused', { reason: 'verdict' }), ['retry', 'abort']);
  assert.deepEqual(words('paused', { reason: 'lunch' }), ['promote', 'resume', 'abort']);
  assert.deepEqual(words('held', { reason: 'inconclusive' }), ['promote', 'resume', 'pause', 'abort']);
  assert.deepEqual(words('held', { reason: 'returning' }), ['pause', 'abort']);
  assert.deepEqual(words('suspended'), ['pause', 'abort']);
  assert.deepEqual(words('rolled_back'), ['retry']);
});

test('a gate is approved by its name, and a freeze is not a gate', () => {
  const step = { gate: 'owner' };
  const [approve] = actionsOf({ state: 'waiting', reason: 'gate', retire: null, step });
  assert.equal(approve.label, 'Approve owner');
  assert.deepEqual(approve.body, { gate: 'owner' });
  assert.deepEqual(words('waiting', { reason: 'freeze', step }), ['pause', 'abort']);
  assert.deepEqual(words('progressing', { step }), ['promote', 'pause', 'abort']);
});

test('stable can be kept until its hook is called', () => {
  assert.deepEqual(words('retiring', { retire: { hook: 'none', kept: false } }), ['unretire', 'abort']);
  assert.deepEqual(words('retiring', { retire: { hook: 'called', kept: false } }), ['abort']);
  assert.deepEqual(words('promoted', { retire: { hook: 'none', kept: false } }), ['unretire', 'abort']);
  assert.deepEqual(words('promoted', { retire: { hook: 'none', kept: true } }), ['abort']);
  assert.deepEqual(words('promoted'), ['abort']);
});

test('what raises a weight is asked of the rollout that was looked at', () => {
  for (const state of ['idle', 'progressing', 'held', 'paused', 'rolled_back']) {
    for (const action of actionsOf({ state, reason: null, retire: null, step: null })) {
      assert.equal(Boolean(action.always), ['pause', 'abort'].includes(action.word), action.word);
      assert.ok(kMeaning[action.word]);
    }
  }
});
