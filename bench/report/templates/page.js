'use strict';
(() => {
const $ = (s, e = document) => e.querySelector(s), $$ = (s, e = document) => [...e.querySelectorAll(s)];
const main = $('main'), q = $('#q'), ranked = $('#ranked'), theme = $('#theme'), boxes = $$('[data-c]');
const tables = $$('table.lb'), sort = new Map(), original = new Map(tables.map(t => [t, [...t.tBodies[0].rows]]));
const hiddenByDefault = boxes.filter(b => !b.checked).map(b => b.dataset.c).join();
let at = '', ready = false;

const number = cell => parseFloat(cell.textContent.replace(/,/g, '').replace('\u2212', '-'));

function order(table, column, direction) {
  $$('thead th', table).forEach((th, i) => i === column && direction
    ? th.setAttribute('aria-sort', direction > 0 ? 'ascending' : 'descending') : th.removeAttribute('aria-sort'));
  let rows = original.get(table);
  if (direction) {
    const keyed = rows.map((row, i) => {
      const cell = row.cells[column], n = number(cell);
      return {row, i, n, text: cell.textContent, low: row.classList.contains('u')};
    });
    const numeric = keyed.some(k => !isNaN(k.n)) && column !== 1;
    keyed.sort((a, b) => a.low - b.low || (numeric
      ? (isNaN(a.n) - isNaN(b.n) || direction * (a.n - b.n) || 0)
      : direction * a.text.localeCompare(b.text)) || a.i - b.i);
    rows = keyed.map(k => k.row);
    sort.set(table.dataset.s, [column, direction]);
  } else sort.delete(table.dataset.s);
  table.tBodies[0].append(...rows);
}

function filter() {
  const words = q.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0, all = 0;
  for (const table of tables) {
    let here = 0;
    for (const row of original.get(table)) {
      const text = (table.dataset.s + ' ' + row.textContent).toLowerCase();
      const keep = words.every(w => text.includes(w)) && !(ranked.checked && row.classList.contains('u'));
      row.hidden = !keep;
      here += keep;
    }
    table.closest('section').hidden = !here;
    shown += here;
    all += original.get(table).length;
  }
  $('#shown').textContent = (shown === all ? '' : shown + ' of ') + all + (all === 1 ? ' row' : ' rows');
}

function columns() {
  for (const b of boxes) main.classList.toggle('x' + b.dataset.c, !b.checked);
}

function save() {
  if (!ready) return;
  const p = new URLSearchParams(), hide = boxes.filter(b => !b.checked).map(b => b.dataset.c).join();
  if (q.value) p.set('q', q.value);
  if (ranked.checked) p.set('ranked', 1);
  if (hide !== hiddenByDefault) p.set('hide', hide);
  if (theme.value) p.set('theme', theme.value);
  for (const [name, [c, d]] of sort) p.append('sort', c + (d > 0 ? 'a' : 'd') + name);
  const plain = !p.size && at;
  if (at) p.set('at', at);
  const text = plain ? at : p.toString();
  history.replaceState(null, '', text ? '#' + text : location.pathname + location.search);
}

function restore() {
  const hash = location.hash.slice(1);
  if (!hash.includes('=')) { at = hash; return; }
  const p = new URLSearchParams(hash);
  q.value = p.get('q') || '';
  ranked.checked = p.has('ranked');
  theme.value = p.get('theme') || '';
  const hide = (p.has('hide') ? p.get('hide') : hiddenByDefault).split(',');
  for (const b of boxes) b.checked = !hide.includes(b.dataset.c);
  for (const t of tables) {
    const s = p.getAll('sort').map(v => /^(\d+)([ad])(.*)$/s.exec(v)).find(m => m && m[3] === t.dataset.s);
    if (s && t.tHead.rows[0].cells[s[1]]) order(t, +s[1], s[2] === 'a' ? 1 : -1);
    else if (sort.has(t.dataset.s)) order(t, 0, 0);
  }
  at = p.get('at') || '';
}

function apply() {
  document.documentElement.style.colorScheme = theme.value || '';
  columns(); filter(); save();
}

let loaded;
function data() {
  return loaded ||= (async () => {
    const bytes = Uint8Array.from(atob($('#data').textContent), c => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
    return JSON.parse(await new Response(stream).text());
  })();
}

const make = (tag, ...kids) => { const e = document.createElement(tag); e.append(...kids.map(k => k ?? '–')); return e; };

function grid(title, head, rows) {
  if (!rows || !rows.length) return [];
  const table = make('table'), tr = make('tr');
  for (const h of head) { const th = make('th', h); th.scope = 'col'; tr.append(th); }
  if (head.length) table.append(make('thead', tr));
  table.append(make('tbody', ...rows.map(r => make('tr', ...r.map((v, i) => {
    const c = make(!head.length && !i ? 'th' : 'td', v === null || v instanceof Node ? v : String(v));
    if (c.tagName === 'TH') c.scope = 'row';
    if (/^[✗!] /.test(v)) c.className = 'bad';
    return c;
  })))));
  return [make('h3', title), table];
}

const marks = {pass: '✓', fail: '✗', inconclusive: '?', error: '!', 'n/a': '–'};

function checks(rows, asked) {
  return grid('Checks', ['check', 'verdict', 'statistic', 'threshold', 'n', 'detail'], rows && rows.map(r => {
    const [name, verdict, statistic, threshold, n, detail] = r, [question, remedy] = asked[name] || [];
    const what = make('span', name, make('small', question || '')), why = make('span', detail);
    if (remedy && (verdict === 'fail' || verdict === 'error')) why.append(make('small', make('b', 'Look at: '), remedy));
    return [what, marks[verdict] + ' ' + verdict, statistic, threshold, n, why];
  }));
}

async function open(number) {
  const all = await data(), r = all.rows[number], env = all.environments[r.e];
  $('#more-title').textContent = r.m + ' on ' + r.d;
  const status = make('p', r.s + (r.note ? ': ' + r.note : ''));
  if (r.s !== 'ok') status.className = 'bad';
  $('#more-body').replaceChildren(status, ...(r.audit ? [make('p', 'Audit of ' + r.m + ': ' + r.audit)] : []),
    ...checks(r.checks, all.asked),
    ...(env && !r.checks ? [make('p', 'Checks, seeds and times: records/' + r.d + '/' + r.m + '.json')] : []),
    ...grid('Seeds', ['seed', 'test, ' + r.unit, 'validation, ' + r.unit, 'steps', 'kept step'], r.seeds),
    ...grid('Times, microseconds per sample', ['of', 'p20', 'p50', 'p80', 'n', ''], r.times),
    ...grid('Record', [], r.facts),
    ...grid('Environment', [], env && Object.entries(env).filter(e => e[1] !== null && e[1] !== '')));
  $('#more').showModal();
}

async function download(event) {
  event.preventDefault();
  const {csv} = await data(), a = make('a');
  a.href = csv === null ? 'leaderboard.csv' : URL.createObjectURL(new Blob([csv], {type: 'text/csv'}));
  a.download = 'leaderboard.csv';
  a.click();
}

for (const table of tables) table.addEventListener('click', event => {
  const button = event.target.closest('button');
  if (!button) return;
  const th = button.parentElement, row = th.parentElement;
  if (row.dataset.r !== undefined) return open(+row.dataset.r);
  const now = th.ariaSort, next = now === 'ascending' ? -1 : now === 'descending' ? 0 : 1;
  order(table, th.cellIndex, next);
  save();
});
for (const b of $$('button[data-r]')) b.addEventListener('click', () => open(+b.dataset.r));
q.addEventListener('input', apply);
for (const e of [ranked, theme, ...boxes]) e.addEventListener('change', apply);
$('#csv').addEventListener('click', download);
$('#close').addEventListener('click', () => $('#more').close());
addEventListener('hashchange', () => { restore(); apply(); });
restore();
ready = true;
apply();
if (at && document.getElementById(at)) document.getElementById(at).scrollIntoView();
})();
