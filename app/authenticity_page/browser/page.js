// What the page does in the visitor's browser: a fingerprint of his file, the QR code in his picture, a first look at
// what he types. Nothing of a file or picture is sent unless he asks for the full check.
import { identifierIn, typedSoFar } from './identifier.js';

const words = JSON.parse(document.body.dataset.words);
const base = document.body.dataset.base;
const most = Number(document.body.dataset.most);
const language = document.documentElement.lang;
const find = (id) => document.getElementById(id);
const status = find('status');
let chosen = null;
let asked = 0;

function tell(text, { alarm = false, detail = null, link = null } = {}) {
  status.replaceChildren(text);
  status.classList.toggle('alarm', alarm);
  if (detail !== null) {
    const shown = document.createElement('bdi');
    shown.dir = 'ltr';
    shown.textContent = detail.slice(0, 200);
    status.append(' ', shown);
  }
  if (link !== null) status.append(' ', link);
}

// An answer of the server is a whole page; its answer takes the place of the one that is shown.
async function show(request, waiting) {
  const mine = ++asked;
  find('place').replaceChildren();
  tell(waiting);
  let section, code;
  try {
    const answer = await request();
    code = answer.status;
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    section = page.getElementById('answer');
  } catch {
    section = null;
  }
  if (mine !== asked) return false;
  if (section === null) {
    tell(code === 413 ? words.too_large : words.failed, { alarm: true });
    return false;
  }
  tell('');
  find('place').replaceChildren(document.adoptNode(section));
  section.focus({ preventScroll: true });
  section.scrollIntoView({ block: 'start' });
  return true;
}

const inHexadecimal = (buffer) =>
  Array.from(new Uint8Array(buffer), (each) => each.toString(16).padStart(2, '0')).join('');

async function checkFile() {
  chosen = find('file').files[0] ?? null;
  find('send').hidden = true;
  find('place').replaceChildren();
  if (chosen === null) return;
  const mine = ++asked;
  if (chosen.size === 0) return tell(words.empty, { alarm: true });
  if (chosen.size > most) return tell(words.too_large, { alarm: true });
  find('send').hidden = false;
  offerFullCheck(true);
  if (!globalThis.crypto?.subtle) return tell(words.insecure);
  tell(words.hashing);
  let digest;
  try {
    digest = inHexadecimal(await crypto.subtle.digest('SHA-256', await chosen.arrayBuffer()));
  } catch {
    return tell(words.unreadable, { alarm: true });
  }
  if (mine !== asked) return;
  const address = `/authenticity?${new URLSearchParams({ digest, lang: language })}`;
  const shown = await show(() => fetch(address), words.asking);
  if (shown && chosen.type.startsWith('image/')) await lookInPicture(chosen);
}

// After the full check only the report on the signatures is left to ask for.
function offerFullCheck(open) {
  find('send').querySelector('p').hidden = !open;
  find('send').querySelector('button').hidden = !open;
}

async function sendFile() {
  if (chosen === null) return;
  const query = new URLSearchParams({ lang: language, name: chosen.name.slice(0, 200) });
  const sent = {
    method: 'POST',
    body: chosen,
    headers: { 'Accept': 'text/html', 'Content-Type': 'application/octet-stream' },
  };
  const shown = await show(() => fetch(`/documents/examinations?${query}`, sent), words.sending);
  if (shown) offerFullCheck(false);
}

function linkTo(identifier) {
  const link = document.createElement('a');
  link.href = `/d/${identifier}?lang=${language}`;
  link.textContent = identifier.match(/.{4}/g).join('-');
  link.dir = 'ltr';
  return link;
}

// A file that is a picture of a paper is no registered file; the identifier in it leads on.
async function lookInPicture(file) {
  const { textOfQr } = await import('./picture.js');
  const text = await textOfQr(file).catch(() => null);
  const { identifier } = text === null ? {} : identifierIn(text, [base, location.origin]);
  if (identifier) tell(words.bears, { link: linkTo(identifier) });
}

async function readPhoto() {
  const photo = find('photo').files[0];
  if (!photo) return;
  const mine = ++asked;
  find('place').replaceChildren();
  tell(words.reading);
  let text;
  try {
    const { textOfQr } = await import('./picture.js');
    text = await textOfQr(photo);
  } catch {
    if (mine === asked) tell(words.no_picture, { alarm: true });
    return;
  }
  find('photo').value = '';
  if (mine !== asked) return;
  if (text === null) return tell(words.no_qr, { alarm: true });
  const { identifier, elsewhere } = identifierIn(text, [base, location.origin]);
  if (identifier) return location.assign(`/d/${identifier}?lang=${language}`);
  if (elsewhere) return tell(words.other_host, { alarm: true, detail: text });
  tell(words.other_qr, { alarm: true, detail: text });
}

const inFigures = (number) => (language === 'fa' ? String(number).replace(/\d/g, (each) => '۰۱۲۳۴۵۶۷۸۹'[each]) : number);

// A first look while typing; what counts is what the server says.
function lookAtTyped() {
  const field = find('identifier');
  const found = typedSoFar(field.value);
  find('identifier-wrong')?.remove();
  field.setAttribute('aria-describedby', 'identifier-hint');
  const wrong = found.stranger !== null || found.mistyped;
  field.setAttribute('aria-invalid', String(wrong));
  const hint = document.createElement('small');
  if (found.stranger !== null) hint.textContent = words.not_digit.replace('{character}', found.stranger);
  else if (found.mistyped) hint.textContent = words.mistyped;
  else if (found.complete) hint.textContent = words.complete;
  else hint.textContent = words.digits.replace('{count}', inFigures(found.count));
  hint.className = wrong ? 'wrong' : '';
  find('identifier-hint').replaceChildren(hint);
}

for (const each of document.querySelectorAll('.unscripted')) each.hidden = true;
for (const each of document.querySelectorAll('.scripted')) each.hidden = false;
find('by-photo').hidden = false;
find('file').classList.add('covered');
find('file').addEventListener('change', checkFile);
find('by-file').addEventListener('submit', (event) => {
  // Only the report on signatures is a page of its own, and asked for by its button.
  if (!event.submitter?.hasAttribute('formaction')) event.preventDefault();
});
find('photo').addEventListener('change', readPhoto);
find('send').querySelector('button').addEventListener('click', sendFile);
find('identifier').addEventListener('input', lookAtTyped);
document.documentElement.dataset.ready = 'yes';
