// SPDX-License-Identifier: MIT
'use strict';

const $ = id => document.getElementById(id);
let status = null;   // what the server says of itself
let job = null;      // the id of the one that is drawn for us
let events = null;
let picture = null;  // to begin with: an Image
let mask = null;     // a canvas of its size, painted where it is redrawn
let painted = false;

// ---- the server ----

async function call(path, body, method) {
  const answer = await fetch(path, {
    method: method || (body ? 'POST' : 'GET'),
    headers: body ? { 'Content-Type': 'application/json' } : {},
    body: body && JSON.stringify(body),
  });
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.error || value.detail || answer.statusText);
  return value;
}

function fill(select, names, first) {
  const before = select.value;
  select.replaceChildren();
  if (first) select.add(new Option(first, ''));
  for (const name of names) select.add(new Option(name, name));
  if ([...select.options].some(o => o.value === before)) select.value = before;
}

async function refresh(first) {
  try {
    status = await call('v1/status');
  } catch (error) {
    $('machine').textContent = 'no answer from the server';
    return;
  }
  $('machine').textContent = status.isa
    ? `${status.model} · ${status.isa}, ${status.precision}, ${status.threads} thread${status.threads === 1 ? '' : 's'}`
    : `opening ${status.model}`;
  if (first) {
    fill($('model'), status.models);
    $('model').value = status.model;
    fill($('sampler'), status.samplers, "model's");
    fill($('schedule'), status.schedules);
    fill($('lora'), status.loras, 'choose');
    $('lora-row').hidden = !status.loras.length;
    $('steps').max = status.limits.steps;
    $('batch').max = status.limits.batch;
    $('steps').value = status.defaults.steps;
    $('cfg_scale').value = +status.defaults.cfg_scale.toFixed(3);
  }
  estimate();
}

function seconds(s) {
  if (s < 1) return `${s.toFixed(2)} s`;
  if (s < 90) return `${s.toFixed(s < 10 ? 1 : 0)} s`;
  return `${Math.round(s / 60)} min`;
}

function size() {
  const side = id => Number($(id).value) || (picture && (id === 'width' ? picture.naturalWidth : picture.naturalHeight));
  return [side('width'), side('height')];
}

// From the steps that were measured, on an image of another size by its pixels.
function estimate() {
  const [width, height] = size();
  const known = status && status.pixel_step_seconds > 0;
  const pixels = width && height ? width * height : status && status.pixels;
  if (!known || !pixels) {
    $('estimate').textContent = known ? '' : 'How long an image takes is known after the first.';
    return;
  }
  const steps = Number($('steps').value) * (picture ? Number($('strength').value) : 1);
  const one = pixels * (steps * status.pixel_step_seconds + status.decode_pixel_seconds);
  $('estimate').textContent = `about ${seconds(one * Number($('batch').value))}` +
    (status.queued ? `, behind ${status.queued} that wait` : '');
}

// ---- drawing ----

function wish() {
  const body = { prompt: $('prompt').value, steps: Number($('steps').value), cfg_scale: Number($('cfg_scale').value),
    batch: Number($('batch').value), schedule: $('schedule').value, model: $('model').value, previews: true };
  if ($('negative_prompt').value) body.negative_prompt = $('negative_prompt').value;
  if ($('sampler').value) body.sampler = $('sampler').value;
  if ($('seed').value) body.seed = $('seed').value;
  for (const side of ['width', 'height']) if ($(side).value) body[side] = Number($(side).value);
  if (picture) {
    body.init = picture.src;
    body.strength = Number($('strength').value);
    if (painted) body.mask = black(mask).toDataURL('image/png');
  }
  return body;
}

// The painted canvas is transparent where nothing is painted; a mask is black there.
function black(from) {
  const canvas = document.createElement('canvas');
  canvas.width = from.width;
  canvas.height = from.height;
  const to = canvas.getContext('2d');
  to.fillRect(0, 0, canvas.width, canvas.height);
  to.drawImage(from, 0, 0);
  return canvas;
}

function complain(text) {
  $('error').textContent = text;
  $('error').hidden = !text;
}

function working(on) {
  $('progress').hidden = !on;
  $('draw').disabled = on;
  $('cancel').disabled = !on;
  if (!on) $('preview').hidden = true;
}

async function draw() {
  if (job || !$('form').reportValidity()) return;
  complain('');
  working(true);
  $('state').textContent = 'asking';
  $('bar').value = 0;
  try {
    job = (await call('v1/jobs', wish())).id;
  } catch (error) {
    working(false);
    complain(error.message);
    return;
  }
  events = new EventSource(`v1/jobs/${job}/events`);
  events.addEventListener('progress', e => show(JSON.parse(e.data)));
  events.addEventListener('preview', e => {
    $('preview').src = `data:image/png;base64,${e.data}`;
    $('preview').hidden = false;
  });
  events.addEventListener('end', e => finish(JSON.parse(e.data)));
}

function show(now) {
  const words = { load: 'loading weights', text: 'reading the prompt', denoise: `step ${now.done} of ${now.total}`,
    decode: 'decoding', encode: 'reading the picture' };
  if (now.state === 'queued') $('state').textContent = now.place ? `${now.place} before this one` : 'next';
  else $('state').textContent = words[now.stage] +
    (now.seconds_left > 0 ? `, about ${seconds(now.seconds_left)} left` : '');
  if (now.stage === 'denoise' && now.total) $('bar').value = now.done / now.total;
}

function finish(over) {
  events.close();
  events = null;
  job = null;
  working(false);
  if (over.state === 'failed') complain(over.error);
  if (over.state === 'cancelled') complain('cancelled');
  for (const image of over.images.reverse()) {
    const mib = over.memory_bytes > 0 ? `, ${Math.round(over.memory_bytes / 1048576)} MiB` : '';
    add($('results'), image.url.slice(1), `seed ${image.seed}, ${image.width}×${image.height}, ${seconds(over.seconds)}${mib}`,
      image.parameters);
  }
  refresh(false);
  gallery();
}

function cancel() {
  if (job) call(`v1/jobs/${job}`, null, 'DELETE').catch(error => complain(error.message));
}

function add(where, url, caption, parameters) {
  const figure = document.createElement('figure'), image = new Image(), link = document.createElement('a');
  const text = document.createElement('figcaption'), row = document.createElement('div');
  image.src = link.href = url;
  image.alt = parameters.split('\n')[0];
  link.append(image);
  link.target = '_blank';
  text.append(caption, row);
  for (const [name, act] of [['Use settings', () => use(parameters)], ['Begin with it', () => begin(url)]]) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = name;
    button.onclick = act;
    row.append(button);
  }
  figure.append(link, text);
  where.prepend(figure);
}

// ---- settings out of an image ----

function use(parameters) {
  const lines = parameters.split('\n'), last = lines.pop();
  const negative = lines.findIndex(line => line.startsWith('Negative prompt: '));
  const before = negative < 0 ? lines : lines.slice(0, negative);
  $('prompt').value = before.join('\n');
  $('negative_prompt').value = negative < 0 ? '' : lines.slice(negative).join('\n').slice('Negative prompt: '.length);
  const said = Object.fromEntries([...last.matchAll(/([A-Z][^:,]*): ("(?:[^"\\]|\\.)*"|[^,]*)/g)].map(m => [m[1], m[2]]));
  const set = (id, value) => { if (value !== undefined) $(id).value = value; };
  set('steps', said.Steps);
  set('cfg_scale', said['CFG scale']);
  set('seed', said.Seed);
  const [width, height] = (said.Size || '').split('x');
  set('width', width || '');
  set('height', height || '');
  // The lists have short names, images A1111's.
  const fold = name => name.toLowerCase().replace(/\+/g, 'p').replace(/[^a-z0-9]/g, '');
  for (const [id, key] of [['sampler', 'Sampler'], ['schedule', 'Schedule type']]) {
    const wanted = fold(said[key] || '').replace('automatic', 'default');
    const found = [...$(id).options].find(o => fold(o.value) === wanted);
    if (found) $(id).value = found.value;
  }
  estimate();
}

async function read(url) {
  try {
    const answer = await call('sdapi/v1/png-info', { image: url });
    if (answer.info) use(answer.info);
  } catch (error) {
    complain(error.message);
  }
}

// ---- a picture to begin with, and its mask ----

function load(file) {
  if (!file) return;
  const reader = new FileReader();
  reader.onload = () => {
    set(reader.result);
    if (file.type === 'image/png') read(reader.result);
  };
  reader.readAsDataURL(file);
}

async function begin(url) {
  const blob = await (await fetch(url)).blob();
  const reader = new FileReader();
  reader.onload = () => set(reader.result);
  reader.readAsDataURL(blob);
}

function set(url) {
  const image = new Image();
  image.onload = () => {
    picture = image;
    mask = document.createElement('canvas');
    mask.width = $('canvas').width = image.naturalWidth;
    mask.height = $('canvas').height = image.naturalHeight;
    $('canvas').style.width = `${Math.max(image.naturalWidth, 256)}px`;
    painted = false;
    $('init').hidden = false;
    $('drop').hidden = true;
    paint();
    estimate();
  };
  image.onerror = () => complain('that is no picture that a browser reads');
  image.src = url;
}

function paint() {
  const to = $('canvas').getContext('2d');
  to.globalAlpha = 1;
  to.drawImage(picture, 0, 0);
  to.globalAlpha = 0.6;
  to.drawImage(mask, 0, 0);
}

function stroke(e) {
  if (!(e.buttons & 1)) return;
  const box = $('canvas').getBoundingClientRect(), scale = mask.width / box.width;
  const to = mask.getContext('2d');
  to.fillStyle = '#fff';
  to.beginPath();
  to.arc((e.clientX - box.left) * scale, (e.clientY - box.top) * scale, $('brush').value * scale / 2, 0, 7);
  to.fill();
  painted = true;
  paint();
}

function remove() {
  picture = mask = null;
  painted = false;
  $('init').hidden = true;
  $('drop').hidden = false;
  estimate();
}

// ---- gallery ----

async function gallery() {
  let names;
  try {
    names = (await call('v1/gallery')).images;
  } catch (error) {
    return;
  }
  $('gallery-part').hidden = !names.length;
  $('gallery').replaceChildren(...names.slice(0, 60).map(name => {
    const button = document.createElement('button'), image = new Image();
    const url = `v1/gallery/${encodeURIComponent(name)}`;
    image.src = url;
    image.alt = image.title = name;
    image.loading = 'lazy';
    button.type = 'button';
    button.append(image);
    button.onclick = async () => {
      const blob = await (await fetch(url)).blob();
      load(new File([blob], name, { type: blob.type }));
    };
    return button;
  }));
}

// ---- what a person does ----

$('form').addEventListener('submit', e => { e.preventDefault(); draw(); });
$('cancel').onclick = cancel;
$('form').addEventListener('input', estimate);
$('lora').onchange = () => {
  if ($('lora').value) $('prompt').value += ` <lora:${$('lora').value}:1>`;
  $('lora').value = '';
};
$('clear').onclick = () => {
  mask.getContext('2d').clearRect(0, 0, mask.width, mask.height);
  painted = false;
  paint();
};
$('remove').onclick = remove;
$('canvas').addEventListener('pointerdown', e => { $('canvas').setPointerCapture(e.pointerId); stroke(e); });
$('canvas').addEventListener('pointermove', stroke);
$('drop').onclick = () => $('file').click();
$('drop').onkeydown = e => { if (e.key === 'Enter' || e.key === ' ') { e.preventDefault(); $('file').click(); } };
$('file').onchange = () => load($('file').files[0]);
document.addEventListener('dragover', e => { e.preventDefault(); $('drop').classList.add('over'); });
document.addEventListener('dragleave', () => $('drop').classList.remove('over'));
document.addEventListener('drop', e => {
  e.preventDefault();
  $('drop').classList.remove('over');
  load(e.dataTransfer.files[0]);
});
document.addEventListener('keydown', e => {
  if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) draw();
  if (e.key === 'Escape') cancel();
});
$('scheme').onclick = () => {
  const root = document.documentElement, dark = matchMedia('(prefers-color-scheme: dark)').matches;
  const now = root.dataset.scheme || (dark ? 'dark' : 'light');
  root.dataset.scheme = now === 'dark' ? 'light' : 'dark';
};

refresh(true);
gallery();
setInterval(() => { if (!document.hidden) refresh(false); }, 5000);
