--- What every page of lull.command.compare.page has of its own: style, elements and script.
-- @module lull.command.compare.template
local template = {}

-- Eight colours that are told apart by most eyes, on paper and at night; arms beyond that have
-- other marks and dashes.
template.STYLE = [[
:root {
  --c0: #1f6fd0; --c1: #c04a16; --c2: #16803f; --c3: #8a4fc0; --c4: #8f6500; --c5: #c2347f;
  --c6: #0b7785; --c7: #5d6470;
}
@media (prefers-color-scheme: dark) {
  :root {
    --c0: #6ea8f5; --c1: #f0885a; --c2: #5cc584; --c3: #bf98ea; --c4: #dcb24a; --c5: #f083b8;
    --c6: #58c4d0; --c7: #aab0ba;
  }
}
h2 { font-size: 1.05rem; margin: 0 0 .2rem; }
main { display: grid; gap: 2rem 2.5rem; grid-template-columns: minmax(0, 1fr); }
section { min-width: 0; }
figure { margin: 0; }
.note { color: var(--faint); font-size: .85rem; margin: .2rem 0 .5rem; max-width: 46em; }
.controls {
  display: flex; flex-wrap: wrap; gap: .4rem 1rem; font-size: .9rem; margin: .3rem 0 .6rem;
  align-items: center;
}
.controls label { display: flex; gap: .4rem; align-items: center; min-width: 0; }
select, button {
  font: inherit; color: var(--ink); background: var(--panel); border: 1px solid var(--line);
  border-radius: 6px; padding: .2rem .5rem; max-width: 100%; min-width: 0;
}
button { cursor: pointer; }
select:focus-visible, button:focus-visible, .scroll:focus-visible {
  outline: 2px solid var(--c0); outline-offset: 1px;
}
svg .axis { fill: var(--ink); }
svg .error { stroke-width: 1.5; opacity: .55; }
svg .mark { stroke: var(--paper); stroke-width: 1.5; }
svg .leader { stroke: var(--faint); stroke-width: 1; opacity: .6; }
svg .curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
svg .label { font-size: 13px; font-weight: 600; paint-order: stroke; stroke: var(--paper);
  stroke-width: 4px; stroke-linejoin: round; }
[data-arm] { transition: opacity .1s; }
.lit [data-arm]:not(.on) { opacity: .22; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; text-align: right; white-space: nowrap; }
thead th { padding: 0; vertical-align: bottom; border-bottom: 1px solid var(--line); }
thead button {
  border: 0; background: none; border-radius: 4px; padding: .3rem .6rem; width: 100%;
  text-align: right; color: var(--faint); white-space: nowrap;
}
thead button span { display: inline-block; width: .8em; text-align: center; }
[aria-sort=ascending] button, [aria-sort=descending] button { color: var(--ink); font-weight: 600; }
tbody tr { border-bottom: 1px solid var(--line); }
tbody th { font-weight: 600; }
th:first-child, thead th:first-child button {
  text-align: left; position: sticky; left: 0; background: var(--paper);
}
tbody th { max-width: 16em; overflow: hidden; text-overflow: ellipsis; }
td small { color: var(--faint); font-size: .85em; font-weight: 400; margin-left: .35em; }
td.best { font-weight: 700; }
.swatch { vertical-align: -1px; margin-right: .45em; display: inline-block; }
#samples {
  display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr));
}
article {
  background: var(--panel); border: 1px solid var(--line); border-top: 3px solid var(--arm);
  border-radius: 8px; padding: .7rem .9rem; min-width: 0;
}
article h3 { font-size: .95rem; margin: 0; overflow-wrap: anywhere; }
article .facts { color: var(--faint); font-size: .8rem; margin: 0 0 .5rem; }
article .text {
  font: 1.02rem/1.6 Georgia, 'Times New Roman', serif; white-space: pre-wrap;
  overflow-wrap: anywhere; margin: 0;
}
article .text .before, article .text .cut { color: var(--faint); }
footer { color: var(--faint); font-size: .8rem; margin-top: 2rem; overflow-wrap: anywhere; }
footer dl { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: .1rem .8rem; }
footer dd { margin: 0; }
@media (min-width: 64rem) {
  main { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); }
  .wide { grid-column: 1 / -1; }
}
]]

template.BODY = [[
<header><h1 id="title"></h1><p id="facts"></p></header>
<main>
<section aria-labelledby="h-plane"><h2 id="h-plane">Quality against diversity</h2>
<p class="note">Up is better, right is more varied; lines are a standard error each way.</p>
<div class="controls">
<label>Quality <select id="quality"></select></label>
<label>Diversity <select id="diversity"></select></label>
</div>
<figure id="plane"></figure>
</section>
<section aria-labelledby="h-positions"><h2 id="h-positions">Surprise by position</h2>
<p class="note" id="positions-note"></p>
<figure id="positions"></figure>
</section>
<section class="wide" aria-labelledby="h-table"><h2 id="h-table">All numbers</h2>
<p class="note">With standard errors; a bold number is the best of its column. A head sorts.</p>
<div class="scroll" tabindex="0" role="region" aria-labelledby="h-table">
<table id="table" aria-labelledby="h-table"><thead></thead><tbody></tbody></table></div>
</section>
<section class="wide" aria-labelledby="h-samples"><h2 id="h-samples">Side by side</h2>
<div class="controls">
<label>Prompt <select id="prompt"></select></label>
<label>Seed <select id="seed"></select></label>
<span><button id="back" type="button">Previous</button>
<button id="next" type="button">Next</button></span>
<span id="where" class="hint" role="status"></span>
</div>
<div id="samples"></div>
</section>
</main>
<footer><dl id="about"></dl></footer>
]]

template.SCRIPT = [=[
const arms = data.arms;

const METRICS = {
  logprob: {name: 'log p', long: 'log-probability of a token', digits: 3, better: 1},
  ended_in_sentence: {name: 'whole end', long: 'share that ends with a sentence', digits: 2,
    better: 1},
  ended: {name: 'EOS', long: 'share that ended by itself', digits: 2, better: 1},
  repetition_4: {name: 'repetition-4', long: 'repeated four-grams', digits: 3, better: -1},
  distinct_2: {name: 'distinct-2', long: 'different pairs of words', digits: 3, better: 1},
  self_bleu: {name: 'self-BLEU', long: 'likeness to the others (self-BLEU)', digits: 3,
    better: -1},
  tokens: {name: 'tokens', long: 'tokens of a text', digits: 1, better: 0},
};
const QUALITY = ['logprob', 'ended_in_sentence', 'ended', 'repetition_4'];
const DIVERSITY = ['distinct_2', 'self_bleu'];

const fixed = (value, digits) => value.toFixed(digits).replace('-', '−');
const colour = i => `var(--c${i % 8})`;
const round = n => Math.round(n * 10) / 10;

// ---- marks: a shape for each arm, as colours alone are not seen by all

const SHAPES = [
  r => `M${-r} 0A${r} ${r} 0 1 1 ${r} 0A${r} ${r} 0 1 1 ${-r} 0Z`,
  r => `M${-r} ${-r}H${r}V${r}H${-r}Z`,
  r => `M0 ${-1.25 * r}L${1.2 * r} ${r}H${-1.2 * r}Z`,
  r => `M0 ${-1.4 * r}L${1.4 * r} 0 0 ${1.4 * r} ${-1.4 * r} 0Z`,
  r => `M0 ${1.25 * r}L${1.2 * r} ${-r}H${-1.2 * r}Z`,
];
const shape = (i, r) => SHAPES[i % SHAPES.length](r);
const dashes = i => ['none', '6 3', '2 3', '9 3 2 3'][Math.floor(i / 8) % 4];

const swatch = i => svg('svg', {class: 'swatch', width: 13, height: 13, viewBox: '-6.5 -6.5 13 13',
  'aria-hidden': 'true'}, svg('path', {d: shape(i, 4.5), style: `fill: ${colour(i)}`}));

// ---- axes

// About so many round numbers between two.
function ticks(low, high, most) {
  const rough = (high - low) / Math.max(1, most);
  const power = Math.pow(10, Math.floor(Math.log10(rough)));
  const step = [1, 2, 5, 10].map(n => n * power).find(n => n >= rough);
  const list = [];
  for (let k = Math.ceil(low / step); k * step <= high + step * 1e-9; k++) list.push(k * step);
  return {list, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9))};
}

// From what is to be seen to pixels, with some room at both ends.
function scale(values, from, to, flip) {
  let low = Math.min(...values), high = Math.max(...values);
  const room = high - low > 1e-9 ? (high - low) * 0.08 : 0.05 + Math.abs(low) * 0.05;
  low -= room; high += room;
  const at = value => {
    const share = (value - low) / (high - low);
    return from + (to - from) * (flip ? 1 - share : share);
  };
  return {at, low, high};
}

// How wide a text is, about.
const widthOf = text => 7.8 * [...text].length;
const shortened = (text, most) =>
  [...text].length > most ? [...text].slice(0, most - 1).join('') + '…' : text;

// ---- labels that keep clear of each other

const overlap = (a, b) => Math.max(0, Math.min(a.x + a.w, b.x + b.w) - Math.max(a.x, b.x))
  * Math.max(0, Math.min(a.y + a.h, b.y + b.h) - Math.max(a.y, b.y));

const AROUND =
  [[1, -1], [1, 1], [-1, -1], [-1, 1], [1, 0], [-1, 0], [0, -1], [0, 1]];

// Where each point's name stands: the place around it, near ones first, that covers least.
function placed(points, bounds) {
  const taken = points.flatMap(p => [{x: p.x - 7, y: p.y - 7, w: 14, h: 14, weight: 4},
    {x: p.x - p.ex, y: p.y - 1, w: 2 * p.ex, h: 3, weight: 1},
    {x: p.x - 1, y: p.y - p.ey, w: 3, h: 2 * p.ey, weight: 1}]);
  return points.map(p => {
    const w = widthOf(p.name), h = 16;
    let best = null;
    for (const far of [10, 20, 34, 50, 70]) {
      for (const [dx, dy] of AROUND) {
        const box = {w, h, x: dx > 0 ? p.x + far : dx < 0 ? p.x - far - w : p.x - w / 2,
          y: p.y - h / 2 + dy * (far + (dx ? -2 : 6))};
        const outside = Math.max(0, bounds.x - box.x) + Math.max(0, bounds.y - box.y)
          + Math.max(0, box.x + w - bounds.x - bounds.w)
          + Math.max(0, box.y + h - bounds.y - bounds.h);
        let cost = far * 2 + outside * 400;
        for (const other of taken) cost += overlap(box, other) * (other.weight || 6);
        if (!best || cost < best.cost) best = {...box, cost, far};
      }
    }
    taken.push({...best, weight: 8});
    return best;
  });
}

// ---- quality against diversity

function drawing(figure, width, height, label) {
  const made = svg('svg', {width, height, role: 'img', 'aria-label': label});
  figure.replaceChildren(made);
  return made;
}

function plane() {
  const figure = byId('plane'), qualityName = byId('quality').value;
  const diversityName = byId('diversity').value;
  const quality = METRICS[qualityName], diversity = METRICS[diversityName];
  const shown = arms.map((arm, i) => ({i, arm, x: arm.metrics[diversityName],
    y: arm.metrics[qualityName]})).filter(p => p.x.value !== null && p.y.value !== null);
  const width = figure.clientWidth, height = Math.min(440, Math.max(300, width * 0.62));
  const left = 56, right = width - 12, top = 30, bottom = height - 44;
  const made = drawing(figure, width, height, `${quality.long} against ${diversity.long}: `
    + shown.map(p => `${p.arm.name} ${fixed(p.y.value, quality.digits)} and `
      + fixed(p.x.value, diversity.digits)).join('; '));
  if (!shown.length) {
    made.append(svg('text', {x: left, y: height / 2}, 'There are no numbers to draw.'));
    return;
  }
  const ends = axis => shown.flatMap(p =>
    [p[axis].value - (p[axis].stderr || 0), p[axis].value + (p[axis].stderr || 0)]);
  const x = scale(ends('x'), left, right, diversity.better < 0);
  const y = scale(ends('y'), bottom, top, quality.better < 0);
  const across = ticks(x.low, x.high, width / 90), up = ticks(y.low, y.high, height / 60);
  for (const value of across.list) {
    made.append(svg('line', {class: 'grid', x1: x.at(value), x2: x.at(value), y1: top, y2: bottom}),
      svg('text', {x: x.at(value), y: bottom + 17, 'text-anchor': 'middle'},
        fixed(value, across.digits)));
  }
  for (const value of up.list) {
    made.append(svg('line', {class: 'grid', x1: left, x2: right, y1: y.at(value), y2: y.at(value)}),
      svg('text', {x: left - 8, y: y.at(value) + 4, 'text-anchor': 'end'},
        fixed(value, up.digits)));
  }
  made.append(
    svg('text', {class: 'axis', x: 0, y: 14}, `↑ ${quality.long}`),
    svg('text', {class: 'axis', x: right, y: height - 6, 'text-anchor': 'end'},
      `${diversity.long} →`));
  const most = width < 500 ? 16 : 30;
  const points = shown.map(p => ({name: shortened(seen(p.arm.name), most), x: x.at(p.x.value),
    y: y.at(p.y.value),
    ex: Math.abs(x.at(p.x.value + (p.x.stderr || 0)) - x.at(p.x.value)),
    ey: Math.abs(y.at(p.y.value + (p.y.stderr || 0)) - y.at(p.y.value))}));
  const labels = placed(points, {x: left + 2, y: top - 8, w: right - left, h: bottom - top + 4});
  shown.forEach((p, k) => {
    const point = points[k], label = labels[k], ink = `stroke: ${colour(p.i)}`;
    const group = svg('g', {'data-arm': p.i},
      svg('title', {}, `${p.arm.name}: ${quality.name} ${told(p.y, quality)}, `
        + `${diversity.name} ${told(p.x, diversity)}`),
      svg('line', {class: 'error', style: ink, x1: point.x - point.ex, x2: point.x + point.ex,
        y1: point.y, y2: point.y}),
      svg('line', {class: 'error', style: ink, x1: point.x, x2: point.x, y1: point.y - point.ey,
        y2: point.y + point.ey}));
    if (label.far > 20) {
      const near = Math.max(label.x, Math.min(label.x + label.w, point.x));
      group.append(svg('line', {class: 'leader', x1: point.x, y1: point.y, x2: near,
        y2: label.y + label.h / 2}));
    }
    group.append(
      svg('path', {class: 'mark', d: shape(p.i, 6), style: `fill: ${colour(p.i)}`,
        transform: `translate(${round(point.x)} ${round(point.y)})`}),
      svg('text', {class: 'label', x: label.x + label.w / 2, y: label.y + 12,
        'text-anchor': 'middle', style: `fill: ${colour(p.i)}`}, point.name));
    made.append(group);
  });
}

const told = (found, metric) => found.value === null ? 'n/a' : fixed(found.value, metric.digits)
  + (found.stderr === null ? '' : ` ± ${fixed(found.stderr, metric.digits)}`);

// ---- surprise by position

// Heights of names beside ends of lines: in order, and none on another.
function apart(list, least, top, bottom) {
  const order = list.slice().sort((a, b) => a.y - b.y);
  order.forEach((label, k) => {
    if (k > 0) label.y = Math.max(label.y, order[k - 1].y + least);
  });
  let limit = bottom;
  for (const label of order.reverse()) {
    label.y = Math.max(top, Math.min(label.y, limit));
    limit = label.y - least;
  }
}

function positions() {
  const figure = byId('positions'), width = figure.clientWidth;
  const height = Math.min(440, Math.max(300, width * 0.62));
  const lines = arms.map((arm, i) => ({i, arm, bins: arm.positions}))
    .filter(line => line.bins.length);
  const made = drawing(figure, width, height, 'Mean surprise of tokens in bits, at the first '
    + 'and the last positions: '
    + lines.map(({arm, bins}) => `${arm.name} ${fixed(bins[0].bits, 2)}, `
      + fixed(bins[bins.length - 1].bits, 2)).join('; '));
  if (!lines.length) return;
  const names = lines.map(line =>
    shortened(seen(line.arm.name), Math.floor(width / 3 / widthOf(' '))));
  const left = 34, top = 30, bottom = height - 44;
  const right = width - 14 - Math.max(...names.map(widthOf));
  const last = Math.max(...lines.map(line => line.bins[line.bins.length - 1].to));
  const high = Math.max(...lines.flatMap(line => line.bins.map(bin => bin.bits))) * 1.05 || 1;
  const x = position => left + (right - left) * (position - 1) / Math.max(1, last - 1);
  const y = bits => bottom - (bottom - top) * bits / high;
  const up = ticks(0, high, height / 60);
  for (const value of up.list) {
    made.append(svg('line', {class: 'grid', x1: left, x2: right, y1: y(value), y2: y(value)}),
      svg('text', {x: left - 8, y: y(value) + 4, 'text-anchor': 'end'}, fixed(value, up.digits)));
  }
  for (const value of ticks(1, last, width / 60).list.filter(n => n % 1 === 0)) {
    made.append(svg('text', {x: x(value), y: bottom + 17, 'text-anchor': 'middle'}, count(value)));
  }
  made.append(svg('text', {class: 'axis', x: 0, y: 14}, '↑ bits'),
    svg('text', {class: 'axis', x: right, y: height - 6, 'text-anchor': 'end'}, 'token →'));
  const middle = bin => (bin.from + bin.to) / 2;
  const labels = lines.map((line, k) => {
    const end = line.bins[line.bins.length - 1];
    return {line, name: names[k], x: x(middle(end)), y: y(end.bits), at: y(end.bits)};
  });
  apart(labels, 15, top, bottom);
  for (const label of labels) {
    const {i, arm, bins} = label.line, ink = `stroke: ${colour(i)}`;
    made.append(svg('g', {'data-arm': i}, svg('title', {}, arm.name),
      svg('polyline', {class: 'curve', style: ink, 'stroke-dasharray': dashes(i),
        points: bins.map(bin => `${round(x(middle(bin)))},${round(y(bin.bits))}`).join(' ')}),
      svg('path', {class: 'mark', d: shape(i, 4), style: `fill: ${colour(i)}`,
        transform: `translate(${round(label.x)} ${round(label.at)})`}),
      svg('line', {class: 'leader', x1: label.x + 5, y1: label.at, x2: right + 6, y2: label.y}),
      svg('text', {class: 'label', x: right + 9, y: label.y + 4, style: `fill: ${colour(i)}`},
        label.name)));
  }
}

// ---- the table

let sorting = null, direction = 1; // by which metric, null as given; 1 ascending

function sortedArms() {
  const list = arms.map((arm, i) => ({arm, i}));
  if (sorting === null) return list;
  const value = entry => sorting === 'name' ? entry.arm.name : entry.arm.metrics[sorting].value;
  return list.sort((a, b) => {
    const one = value(a), other = value(b);
    if (one === null || other === null) return (one === null) - (other === null); // n/a last
    return direction * (one < other ? -1 : one > other ? 1 : 0) || a.i - b.i;
  });
}

function best(name) {
  const values = arms.map(arm => arm.metrics[name].value).filter(value => value !== null);
  const {better, digits} = METRICS[name];
  if (!better || values.length < 2) return null;
  const found = better > 0 ? Math.max(...values) : Math.min(...values);
  return values.every(value => fixed(value, digits) === fixed(found, digits)) ? null
    : fixed(found, digits);
}

function table() {
  const names = [...QUALITY, ...DIVERSITY, 'tokens'];
  const bests = names.map(best);
  const rows = sortedArms().map(({arm, i}) => html('tr', {'data-arm': i},
    html('th', {scope: 'row', title: seen(arm.name)}, swatch(i), seen(arm.name)),
    ...names.map((name, k) => {
      const found = arm.metrics[name], metric = METRICS[name];
      if (found.value === null) return html('td', {}, 'n/a');
      const text = fixed(found.value, metric.digits);
      return html('td', {class: text === bests[k] ? 'best' : ''}, text,
        found.stderr === null ? ''
          : html('small', {}, `± ${fixed(found.stderr, metric.digits)}`));
    })));
  byId('table').tBodies[0].replaceChildren(...rows);
  for (const head of byId('table').tHead.rows[0].cells) {
    const own = head.dataset.metric === sorting;
    if (own) head.setAttribute('aria-sort', direction > 0 ? 'ascending' : 'descending');
    else head.removeAttribute('aria-sort');
    head.querySelector('span').textContent = own ? (direction > 0 ? '↑' : '↓') : '';
  }
}

// A first click puts the best on top, the next turns the order, the third takes it back.
function sortBy(name) {
  const first = name === 'name' ? 1 : METRICS[name].better > 0 ? -1 : 1;
  if (sorting !== name) { sorting = name; direction = first; }
  else if (direction === first) direction = -first;
  else sorting = null;
  table();
}

function heads() {
  const head = (name, text, title) => {
    const button = html('button', {type: 'button', title}, text, html('span', {}));
    button.addEventListener('click', () => sortBy(name));
    return html('th', {scope: 'col', 'data-metric': name}, button);
  };
  byId('table').tHead.append(html('tr', {}, head('name', 'way of telling', 'model or strategy'),
    ...[...QUALITY, ...DIVERSITY, 'tokens'].map(name =>
      head(name, METRICS[name].name, METRICS[name].long))));
}

// ---- texts side by side

const seeds = data.seeds.length, all = data.prompts.length * seeds;
const place = () => Number(byId('prompt').value) * seeds + Number(byId('seed').value);

const ENDS = {stop: 'ended', length: 'cut', context: 'the context was full', loop: 'a loop'};

function sample(arm, i) {
  const text = arm.texts[place()], cut = text.finish_reason !== 'stop';
  const facts = [`${count(text.tokens)} tokens`, ENDS[text.finish_reason] || text.finish_reason];
  if (text.scored) facts.push(`log p ${fixed(text.logprob / text.scored, 3)}`);
  return html('article', {'data-arm': i, style: `--arm: ${colour(i)}`},
    html('h3', {}, swatch(i), seen(arm.name)),
    html('p', {class: 'facts'}, facts.join(', ')),
    html('p', {class: 'text'},
      html('span', {class: 'before'}, seen(data.prompts[text.prompt - 1])), seen(text.text),
      cut ? html('span', {class: 'cut'}, ' …') : ''));
}

function samples() {
  byId('samples').replaceChildren(...arms.map(sample));
  byId('where').textContent = `${count(place() + 1)} of ${count(all)}`;
  const hash = `#p=${Number(byId('prompt').value) + 1}&s=${Number(byId('seed').value) + 1}`;
  if (location.hash !== hash && (location.hash || place() > 0)) location.replace(hash);
}

// Show a text by its place, around at the ends.
function show(at) {
  const k = (at + all) % all;
  byId('prompt').value = Math.floor(k / seeds);
  byId('seed').value = k % seeds;
  samples();
}

// The place that the address names; by default the first.
function fromHash() {
  const found = /^#p=(\d+)&s=(\d+)$/.exec(location.hash);
  if (!found) return 0;
  const p = Math.min(Math.max(1, Number(found[1])), data.prompts.length) - 1;
  const s = Math.min(Math.max(1, Number(found[2])), seeds) - 1;
  return p * seeds + s;
}

// ---- what is pointed at is seen everywhere

function light(i) {
  document.body.classList.toggle('lit', i !== null);
  for (const element of document.querySelectorAll('[data-arm]')) {
    element.classList.toggle('on', element.dataset.arm === i);
  }
}
for (const name of ['plane', 'positions', 'table']) {
  byId(name).addEventListener('mouseover', event => {
    const element = event.target.closest('[data-arm]');
    light(element ? element.dataset.arm : null);
  });
  byId(name).addEventListener('mouseleave', () => light(null));
}

// ---- all together

const choice = (text, value) => html('option', {value}, text);
const names = data.models.map(model => seen(model.name)).join(', ');
byId('title').textContent = `${names}: what is better`;
byId('facts').textContent = [
  `${count(arms.length)} way${arms.length === 1 ? '' : 's'} of telling`,
  `${count(data.prompts.length)} prompt${data.prompts.length === 1 ? '' : 's'}`,
  `${count(seeds)} seed${seeds === 1 ? '' : 's'}`, `at most ${count(data.max_tokens)} tokens`,
  data.judge ? `judged by ${seen(data.judge.name)}` : 'each model judges its own texts',
].join(' · ');
byId('positions-note').textContent = 'Mean bits of surprise at a token '
  + (data.judge ? `for ${seen(data.judge.name)}` : 'for the model that told it')
  + ': 2 to that power is the perplexity. Texts that ended are no longer counted.';
byId('quality').append(...QUALITY.map(name => choice(METRICS[name].long, name)));
byId('diversity').append(...DIVERSITY.map(name => choice(METRICS[name].long, name)));
byId('prompt').append(...data.prompts.map((prompt, i) =>
  choice(shortened(prompt === '' ? '(a new text)' : seen(prompt), 60), i)));
byId('seed').append(...data.seeds.map((seed, i) => choice(String(seed), i)));
byId('about').append(
  ...data.models.concat(data.judge || []).flatMap(model => [html('dt', {}, seen(model.name)),
    html('dd', {}, `${model.precision}, fingerprint ${model.fingerprint}`)]),
  ...data.strategies.flatMap(strategy => [html('dt', {}, seen(strategy.name)),
    html('dd', {}, strategy.sampler)]),
  html('dt', {}, 'lull'), html('dd', {}, data.lull));

byId('quality').addEventListener('change', plane);
byId('diversity').addEventListener('change', plane);
byId('prompt').addEventListener('change', samples);
byId('seed').addEventListener('change', samples);
byId('back').addEventListener('click', () => show(place() - 1));
byId('next').addEventListener('click', () => show(place() + 1));
addEventListener('hashchange', () => { if (fromHash() !== place()) show(fromHash()); });
addEventListener('resize', () => { plane(); positions(); });
heads();
table();
plane();
positions();
show(fromHash());
]=]

return template
