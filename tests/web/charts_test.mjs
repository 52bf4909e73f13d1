// The geometry of the dashboard's charts: `node --test`, no browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { linePath, niceCeiling, stepArea, stepPath } from '../../web/charts.js';

const same = (value) => value;
const down = (value) => 100 - value;

test('a scale ends at 1, 2 or 5 times a power of ten', () => {
  for (const [value, top] of [[0, 1], [-3, 1], [NaN, 1], [1, 1], [1.01, 2], [4, 5], [5.5, 10], [0.0021, 0.005], [99, 100]]) {
    assert.ok(Math.abs(niceCeiling(value) - top) < 1e-12, `${value}: ${niceCeiling(value)}`);
  }
});

test('no scale is below its value', () => {
  for (let value = 1e-6; value < 1e6; value *= 1.37) {
    const top = niceCeiling(value);
    assert.ok(top >= value * 0.999999 && top < 2.6 * value, `${value}: ${top}`);
  }
});

test('a line stops where there is no figure', () => {
  const points = [[0, 1], [10, 2], [20, null], [30, 3], [40, 4]];
  assert.equal(linePath(points, same, down), 'M0.0,99.0h0.1L10.0,98.0M30.0,97.0h0.1L40.0,96.0');
  assert.equal(linePath([[0, null]], same, down), '');
  assert.equal(linePath([], same, down), '');
});

test('a weight is in force until the next one, and the last one until now', () => {
  assert.equal(stepPath([[0, 5], [10, 20]], same, down, 30), 'M0.0,95.0L10.0,95.0L10.0,80.0L30.0,80.0');
  assert.equal(stepPath([], same, down, 30), '');
});

test('only the area below a weight goes down to 0', () => {
  assert.equal(stepArea([[0, 5], [10, 20]], same, down, 30), 'M0.0,95.0L10.0,95.0L10.0,80.0L30.0,80.0V100.0H0.0Z');
  assert.equal(stepArea([], same, down, 30), '');
});
