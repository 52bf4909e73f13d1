// Small charts over time, as SVG. Pure: figures in, elements out.

const kSvg = 'http://www.w3.org/2000/svg';
const kWidth = 320;
const kHeight = 120;
const kLeft = 50;
const kRight = 6;
const kTop = 8;
const kBottom = 18;

export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(kSvg, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// The least of 1, 2, 5, 10, ... times a power of ten that is not below `value`.
export function niceCeiling(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999999);
}

function clock(time) {
  return `${new Date(time).toISOString().slice(11, 16)}Z`;
}

// "M1,2L3,4" through the points; begins anew behind each one without a figure.
export function linePath(points, x, y) {
  let path = '';
  let open = false;
  for (const [time, value] of points) {
    if (value === null) {
      open = false;
      continue;
    }
    path += `${open ? 'L' : 'M'}${x(time).toFixed(1)},${y(value).toFixed(1)}`;
    // A lone point is a dot.
    if (!open) path += 'h0.1';
    open = true;
  }
  return path;
}

// Each value from its time on until the next.
export function stepPath(points, x, y, end) {
  let path = '';
  points.forEach(([, value], index) => {
    const from = x(points[index][0]).toFixed(1);
    const to = x(index + 1 < points.length ? points[index + 1][0] : end).toFixed(1);
    path += `${path === '' ? 'M' : 'L'}${from},${y(value).toFixed(1)}L${to},${y(value).toFixed(1)}`;
  });
  return path;
}

// What is below it: filled, and never drawn as a line, for its sides are no values.
export function stepArea(points, x, y, end) {
  if (points.length === 0) return '';
  return `${stepPath(points, x, y, end)}V${y(0).toFixed(1)}H${x(points[0][0]).toFixed(1)}Z`;
}

function nearest(points, time) {
  let best = null;
  for (const point of points) {
    if (point[1] !== null && (best === null || Math.abs(point[0] - time) < Math.abs(best[0] - time))) best = point;
  }
  return best;
}

// What a line says at that time: the last value from before it where it goes by steps, else the nearest one, if that is
// near: what was is not what is.
function valueAt(line, time, reach) {
  if (!line.steps) {
    const point = nearest(line.points, time);
    return point !== null && Math.abs(point[0] - time) <= reach ? point : null;
  }
  return line.points.findLast(([from]) => from <= time) ?? null;
}

function readOut(lines, time, reach, show) {
  const values = lines.map((line) => [line.name, valueAt(line, time, reach)]);
  const said = values.filter(([, point]) => point !== null).map(([name, point]) => `${name} ${show(point[1])}`);
  return said.join('  ');
}

// chart: {title, lines: [{name, style, points: [[ms, value or null]], steps}], level: a constant or null, levelFrom: since
// when it holds, in ms, show: a value as text (exact: of the scale, which must say where its lines are), ceiling: the
// least height of the scale}. range: [from, to] in ms. reach: how far a point speaks, in ms.
export function chart({ title, lines, level = null, levelFrom = -Infinity, show, ceiling = 0 }, [from, to], reach) {
  const inside = lines.map((line) => ({
    ...line,
    points: line.steps ? line.points : line.points.filter(([time]) => time >= from && time <= to),
  }));
  const highest = Math.max(ceiling, level ?? 0, ...inside.flatMap((line) => line.points.map(([, value]) => value ?? 0)));
  const top = niceCeiling(highest);
  const x = (time) => kLeft + (Math.max(0, time - from) / (to - from)) * (kWidth - kLeft - kRight);
  const y = (value) => kHeight - kBottom - (Math.min(value, top) / top) * (kHeight - kTop - kBottom);

  const picture = svg('svg', { viewBox: `0 0 ${kWidth} ${kHeight}`, role: 'img' });
  for (const share of [0, 0.5, 1]) {
    const height = y(share * top);
    picture.append(svg('line', { class: 'grid', x1: kLeft, x2: kWidth - kRight, y1: height, y2: height }));
    const mark = svg('text', { x: kLeft - 5, y: height + 3.5, 'text-anchor': 'end' });
    mark.textContent = show(share * top, true);
    picture.append(mark);
  }
  for (const [time, anchor] of [[from, 'start'], [(from + to) / 2, 'middle'], [to, 'end']]) {
    const mark = svg('text', { x: x(time), y: kHeight - 4, 'text-anchor': anchor });
    mark.textContent = clock(time);
    picture.append(mark);
  }
  if (level !== null && levelFrom < to) {
    picture.append(svg('path', { class: 'tolerated', d: `M${x(levelFrom).toFixed(1)},${y(level)}H${kWidth - kRight}` }));
  }
  for (const line of inside) {
    if (line.steps) {
      picture.append(svg('path', { class: `${line.style} area`, d: stepArea(line.points, x, y, to) }));
    }
    const d = line.steps ? stepPath(line.points, x, y, to) : linePath(line.points, x, y);
    picture.append(svg('path', { class: line.style, d }));
  }

  const figure = document.createElement('figure');
  const caption = document.createElement('figcaption');
  const name = document.createElement('b');
  const read = document.createElement('span');
  name.textContent = title;
  read.className = 'read';
  const last = readOut(inside, to, reach, show);
  read.textContent = last;
  picture.setAttribute('aria-label', `${title}: ${last || 'no data'}`);
  caption.append(name, read);
  figure.append(caption, picture);

  const cursor = svg('line', { class: 'cursor', y1: kTop, y2: kHeight - kBottom, visibility: 'hidden' });
  picture.append(cursor);
  picture.addEventListener('pointermove', (event) => {
    const box = picture.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * kWidth;
    const time = from + ((at - kLeft) / (kWidth - kLeft - kRight)) * (to - from);
    if (time < from || time > to) return;
    cursor.setAttribute('x1', at);
    cursor.setAttribute('x2', at);
    cursor.setAttribute('visibility', 'visible');
    read.textContent = `${clock(time)}  ${readOut(inside, time, reach, show)}`;
  });
  picture.addEventListener('pointerleave', () => {
    cursor.setAttribute('visibility', 'hidden');
    read.textContent = last;
  });
  return figure;
}
