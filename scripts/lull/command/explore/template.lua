--- What every page of lull.command.explore.page has of its own: style, elements and script.
-- @module lull.command.explore.template
local template = {}

template.STYLE = [[
h2 { font-size: 1.05rem; margin: 0 0 .4rem; overflow-wrap: anywhere; }
h3 { font-size: .9rem; margin: 1rem 0 .3rem; }
main { display: grid; gap: 1.5rem; grid-template-columns: minmax(0, 1fr); }
fieldset { border: 0; padding: 0; margin: 0; display: flex; flex-wrap: wrap; gap: 0 .9rem; }
legend { float: left; padding: 0; margin-right: .9rem; }
fieldset, #key { font-size: .9rem; align-items: center; }
label { padding: .3rem 0; }
#key { display: flex; gap: .3rem; color: var(--faint); }
#key i {
  width: 1.6rem; height: .8rem; border-radius: 2px; box-shadow: inset 0 0 0 1px var(--line);
}
#text {
  font: 1.15rem/1.85 Georgia, 'Times New Roman', serif; white-space: pre-wrap;
  overflow-wrap: anywhere; margin: .8rem 0 1.2rem; max-width: 46em;
}
#text .before { color: var(--faint); }
#text [role=button] {
  background: rgb(var(--tint) / var(--share)); border-radius: 3px; padding: .2em 0;
  cursor: pointer; box-shadow: inset 0 -1px var(--line);
}
#text [aria-current] { outline: 2px solid var(--ink); outline-offset: 0; }
#text .mark { color: var(--faint); }
#chart { margin: 0; overflow-x: auto; }
#chart figcaption { font-size: .85rem; color: var(--faint); }
.hot { fill: rgb(var(--hot)); }
.cool { fill: none; stroke: rgb(var(--cool)); stroke-width: 2; }
.here { fill: var(--ink); opacity: .12; }
.tokens { fill: rgb(var(--cool)); } .mass { fill: rgb(var(--hot)); }
b.hot, b.cool { font-weight: 600; }
b.hot { color: var(--hot-ink); } b.cool { color: var(--cool-ink); }
aside {
  background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 1rem;
}
aside p { margin: .2rem 0; font-size: .9rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
caption { text-align: left; font-weight: 600; margin-bottom: .2rem; }
th { font-weight: 400; color: var(--faint); text-align: right; padding: 0 0 0 .5rem; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td { text-align: right; padding: .15rem 0 .15rem .5rem; white-space: nowrap; vertical-align: top; }
td.share { width: 28%; }
td:first-child { white-space: pre-wrap; overflow-wrap: anywhere; }
td .bar { display: block; height: 4px; border-radius: 2px; background: rgb(var(--hot)); }
td .bar.after { background: rgb(var(--cool)); }
tr.chosen td { font-weight: 700; }
tr.gone td { color: var(--faint); }
.why { display: block; font-size: .75rem; }
@media (min-width: 62rem) {
  main { grid-template-columns: minmax(0, 1fr) 25rem; }
  aside {
    position: sticky; top: 1rem; align-self: start; max-height: calc(100vh - 2rem);
    overflow: auto;
  }
}
@media (max-width: 61.99rem) {
  body { padding-bottom: 52vh; }
  aside {
    position: fixed; left: 0; right: 0; bottom: 0; max-height: 48vh; overflow: auto;
    border-radius: 12px 12px 0 0; padding: .8rem clamp(.75rem, 3vw, 2.5rem);
  }
  #text [role=button] { scroll-margin-bottom: 50vh; }
  .keys { display: none; }
}
@media (max-width: 30rem) {
  legend { float: none; }
}
]]

template.BODY = [[
<header><h1 id="title"></h1><p id="facts"></p></header>
<main>
<section aria-label="Text">
<fieldset id="by"><legend>Colour by</legend>
<label><input type="radio" name="by" value="probability" checked> probability</label>
<label><input type="radio" name="by" value="surprise"> surprise</label>
<label><input type="radio" name="by" value="entropy"> entropy</label>
</fieldset>
<div id="key" aria-hidden="true"></div>
<div id="text" role="group" aria-label="The text by its tokens; arrow keys move"></div>
<figure id="chart"><figcaption>Bits by position: <b class="hot">surprise</b> (bars) at what came,
<b class="cool">entropy</b> (line) before it.</figcaption></figure>
<p class="hint keys">Arrow keys, Home and End move from token to token.</p>
</section>
<aside id="about" aria-label="About the token"></aside>
</main>
]]

template.SCRIPT = [[
const tokens = data.tokens;
let selected = 0;

const bits = n => n.toFixed(2) + ' bits';
function percent(p) {
  if (p === 0) return '0 %';
  if (p < 0.0001) return '<0.01 %';
  return (100 * p).toFixed(p >= 0.1 && p < 0.9995 ? 1 : p >= 0.9995 ? 0 : 2) + ' %';
}

// A piece with its blanks and line ends visible.
const visible = piece => piece === '' ? '(nothing)'
  : seen(piece).replace(/^ | $/g, '␣').replace(/\n/g, '↵').replace(/\t/g, '⇥');
const nameOf = token => token.ending ? '(end)' : visible(token.piece);

// ---- the text

const SCALES = {
  probability: {tint: 'hot', share: t => 1 - t.p, from: '100 %', to: '0 %'},
  surprise: {tint: 'hot', share: t => t.surprise_bits / 8, from: '0', to: '8 bits and more'},
  entropy: {tint: 'cool', share: t => t.entropy_bits / 6, from: '0', to: '6 bits and more'},
};
const STRONGEST = 0.7; // the text must stay readable on it
const opacity = share => (STRONGEST * Math.min(1, Math.max(0, share))).toFixed(3);

// What stands in the text for a token. Line ends are marked, and so is what adds no character.
function contents(token) {
  const marked = text => html('span', {class: 'mark'}, text);
  if (token.ending) return [marked(' ⏹')];
  if (token.text === '') return [marked('·')];
  return seen(token.text).split(/(\n)/).map(part => part === '\n' ? marked('↵\n') : part);
}

const elements = tokens.map((token, i) => html('span', {
  role: 'button', tabindex: -1, 'data-i': i,
  'aria-label': `token ${i + 1}: ${nameOf(token)}, ${percent(token.p)}, rank ${token.rank}`,
}, ...contents(token)));
byId('text').append(html('span', {class: 'before'}, data.prompt), ...elements);

function colour(name) {
  const scale = SCALES[name];
  byId('text').style.setProperty('--tint', `var(--${scale.tint})`);
  tokens.forEach((token, i) =>
    elements[i].style.setProperty('--share', opacity(scale.share(token))));
  byId('key').replaceChildren(scale.from, ...[0, 0.25, 0.5, 0.75, 1].map(share =>
    html('i', {style: `background: rgb(var(--${scale.tint}) / ${opacity(share)})`})), scale.to);
}

// ---- about a token

function row(token, alternative) {
  const removed = alternative.removed_by;
  const chosen = alternative.id === token.id;
  const name = [html('bdi', {}, visible(alternative.piece))];
  if (alternative.hex) name.push(` (bytes ${alternative.hex})`);
  if (removed) name.push(html('span', {class: 'why'}, removed));
  const bar = (p, kind) =>
    html('span', {class: 'bar ' + kind, style: `width: ${(100 * p).toFixed(2)}%`});
  return html('tr', {class: (chosen ? 'chosen ' : '') + (removed ? 'gone' : '')},
    html('td', {}, ...name), html('td', {}, String(alternative.rank)),
    html('td', {class: 'share'}, percent(alternative.p), bar(alternative.p, 'raw')),
    html('td', {class: 'share'}, removed ? '–' : percent(alternative.chain_p),
      bar(alternative.chain_p, 'after')));
}

function alternatives(token) {
  const list = token.alternatives.slice();
  if (!list.some(a => a.id === token.id)) list.push(token);
  return html('table', {}, html('caption', {}, 'What could have come'),
    html('thead', {}, html('tr', {}, ...['', 'rank', 'model', 'after chain'].map(title =>
      html('th', {scope: 'col'}, title)))),
    html('tbody', {}, ...list.map(a => row(token, a))));
}

// A name cut to about so many pixels.
function fitted(name, width) {
  const most = Math.max(8, Math.floor(width / 7));
  return name.length > most ? name.slice(0, most - 1) + '…' : name;
}

// The chain as a funnel: of how many tokens (on a logarithmic scale) and of how much of the
// model's probability each stage leaves.
function funnel(token, width) {
  const steps = [{name: 'the model', remaining: data.vocab_size, mass: 0}];
  steps.push(...token.stages.filter(s => s.removed !== 0 || s.reshaped));
  const size = n => Math.log(1 + n) / Math.log(1 + data.vocab_size);
  let mass = 1, before = token.entropy_bits;
  const drawing = svg('svg', {width, height: steps.length * 40, role: 'img',
    'aria-label': 'What each stage of the chain left'});
  steps.forEach((step, i) => {
    mass = Math.max(0, Math.min(1, mass - step.mass));
    const y = i * 40;
    let note = `${count(step.remaining)} left`;
    if (step.removed !== 0) note += `, ${percent(mass)}`;
    if (step.reshaped) note += `, ${before.toFixed(2)} → ${bits(step.entropy_bits)}`;
    const bar = (kind, share, top, height) => svg('rect', {class: kind, rx: 2, y: y + top, height,
      x: width / 2 * (1 - share), width: Math.max(1, width * share)});
    drawing.append(
      svg('text', {class: 'name', x: 0, y: y + 13}, fitted(step.name, width - 6.5 * note.length),
        svg('title', {}, step.name)),
      svg('text', {x: width, y: y + 13, 'text-anchor': 'end'}, note),
      bar('tokens', size(step.remaining), 19, 8), bar('mass', mass, 28, 4));
    if (step.entropy_bits !== undefined) before = step.entropy_bits;
  });
  return drawing;
}

function show(i) {
  const token = tokens[i], about = byId('about');
  if (!token) return;
  const after = token.removed_by ? `removed by ${token.removed_by}`
    : `${percent(token.chain_p)} after the chain`;
  const inner = about.clientWidth - parseFloat(getComputedStyle(about).paddingLeft) * 2;
  about.replaceChildren(
    html('h2', {}, `${i + 1}. `, html('bdi', {}, nameOf(token)),
      token.hex ? ` (bytes ${token.hex})` : ''),
    html('p', {}, `${percent(token.p)}, rank ${token.rank}; ${after}; id ${token.id}`),
    html('p', {}, `surprise ${bits(token.surprise_bits)}, entropy ${bits(token.entropy_bits)}, `
      + `${bits(token.chain_entropy_bits)} after the chain`),
    alternatives(token),
    html('h3', {}, 'What the chain left: ', html('b', {class: 'cool'}, 'tokens'), ' and ',
      html('b', {class: 'hot'}, 'probability')),
    funnel(token, Math.max(200, inner)));
}

// ---- the chart

const left = 26; // of the chart's first token
let step = 0;    // from one of them to the next

function chart() {
  const figure = byId('chart'), height = 150, foot = 18;
  const width = Math.max(figure.clientWidth, left + 5 * tokens.length);
  step = (width - left - 8) / Math.max(1, tokens.length);
  const top = Math.max(2, ...tokens.map(t => Math.max(t.surprise_bits, t.entropy_bits)));
  const y = value => 6 + (height - foot - 6) * (1 - value / top);
  const x = i => left + step * (i + 0.5);
  const drawing = svg('svg', {width, height, role: 'img', id: 'bits',
    'aria-label': 'Surprise and entropy by position'});
  const every = Math.ceil(top / 5);
  for (let value = 0; value <= top; value += every) {
    drawing.append(svg('line', {class: 'grid', x1: left, x2: width, y1: y(value), y2: y(value)}),
      svg('text', {x: left - 6, y: y(value) + 4, 'text-anchor': 'end'}, String(value)));
  }
  drawing.append(svg('rect', {class: 'here', id: 'here', y: 0, width: Math.max(2, step),
    height: height - foot}));
  tokens.forEach((token, i) => {
    const bar = Math.max(1, step * 0.6);
    drawing.append(svg('rect', {class: 'hot', x: x(i) - bar / 2, width: bar,
      y: y(token.surprise_bits), height: height - foot - y(token.surprise_bits)}));
  });
  drawing.append(svg('polyline', {class: 'cool',
    points: tokens.map((token, i) => `${x(i)},${y(token.entropy_bits)}`).join(' ')}));
  const labels = Math.ceil(tokens.length / Math.max(1, Math.floor(width / 60)) / 5) * 5 || 5;
  for (let i = labels; i <= tokens.length; i += labels) {
    drawing.append(svg('text', {x: x(i - 1), y: height - 4, 'text-anchor': 'middle'}, String(i)));
  }
  drawing.addEventListener('click', event => {
    const at = event.clientX - drawing.getBoundingClientRect().left;
    select(Math.floor((at - left) / step));
  });
  const old = byId('bits');
  if (old) old.remove();
  figure.append(drawing);
  mark();
}

const mark = () => byId('here').setAttribute('x', left + step * selected);

// ---- moving about

function select(i, focus) {
  if (!tokens.length) return;
  elements[selected].tabIndex = -1;
  elements[selected].removeAttribute('aria-current');
  selected = Math.max(0, Math.min(tokens.length - 1, i));
  const element = elements[selected];
  element.tabIndex = 0;
  element.setAttribute('aria-current', 'true');
  if (focus) element.focus({preventScroll: true});
  element.scrollIntoView({block: 'nearest'});
  show(selected);
  mark();
  if (location.hash !== `#t=${selected + 1}`) location.replace(`#t=${selected + 1}`);
}

// The token of the line above or below that is nearest.
function beside(i, direction) {
  const box = element => element.getClientRects()[0];
  const from = box(elements[i]);
  let best = i, least = Infinity;
  for (let k = i + direction; k >= 0 && k < tokens.length; k += direction) {
    const at = box(elements[k]);
    const lines = Math.abs(at.top - from.top);
    if (lines < from.height / 2) continue;
    const far = lines * 1000 + Math.abs(at.left - from.left);
    if (far < least) { least = far; best = k; }
    if (lines > 3 * from.height) break;
  }
  return best;
}

const MOVES = {
  ArrowLeft: i => i - 1, ArrowRight: i => i + 1, Home: () => 0, End: () => tokens.length - 1,
  ArrowUp: i => beside(i, -1), ArrowDown: i => beside(i, 1),
};
const tokenOf = event => {
  const element = event.target.closest && event.target.closest('[data-i]');
  return element ? Number(element.dataset.i) : -1;
};
const text = byId('text');
const on = (name, act) => text.addEventListener(name, event => {
  const i = tokenOf(event);
  if (i >= 0) act(i, event);
});
on('click', i => select(i, true));
on('focusin', i => { if (i !== selected) select(i); });
on('mouseover', show);
text.addEventListener('mouseleave', () => show(selected));
document.addEventListener('keydown', event => {
  const move = MOVES[event.key];
  const elsewhere = event.target.closest && event.target.closest('input, aside');
  if (!move || elsewhere || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  select(move(selected), true);
});
byId('by').addEventListener('change', event => colour(event.target.value));
const fromHash = () => {
  const number = /^#t=(\d+)$/.exec(location.hash);
  return number ? Number(number[1]) - 1 : -1;
};
addEventListener('hashchange', () => {
  if (fromHash() >= 0 && fromHash() !== selected) select(fromHash());
});
addEventListener('resize', () => { chart(); show(selected); });

byId('title').textContent = `${data.model}: ${count(tokens.length)} tokens`;
byId('facts').textContent = [
  `${bits(data.surprise_bits)} of surprise and ${bits(data.entropy_bits)} of entropy a token`,
  data.sampler, data.seed === undefined ? '' : `seed ${data.seed}`, data.finish_reason,
].filter(part => part).join(' · ');
colour('probability');
chart();
select(Math.max(0, fromHash()));
]]

return template
