// Charts that answer to the pointer, from the specification of which others are sent a picture.
const dark = matchMedia('(prefers-color-scheme: dark)');
const places = [...document.querySelectorAll('.drawn')];
const pictures = new Map(places.map((place) => [place, place.querySelector('noscript').textContent]));
const views = new Map();

// A page under a strict policy may make no code of texts: expressions are walked, not compiled.
const OPTIONS = {
  ast: true,
  actions: false,
  defaultStyle: false,
  renderer: 'svg',
  tooltip: { disableDefaultStyle: true },
};

// ── what draws ─────────────────────────────────────────────────────────────────────────────

// Whoever asks for it first waits some seconds until it is made; whoever has had it waits not at
// all, and is sent no picture that a chart would replace at once.
const PATIENCE_MS = 250;
let is_ready = false;
const ready = places.length
  ? import(new URL(places[0].dataset.library, document.baseURI)).then(() => (is_ready = true))
  : Promise.resolve();
ready.catch(() => {}); // each chart says so in its place
setTimeout(() => {
  if (!is_ready) for (const place of places.filter((one) => !views.has(one))) showPicture(place, true);
}, PATIENCE_MS);

function showPicture(place, is_for_now = false) {
  if (place.querySelector('img')) {
    place.querySelector('.for-now')?.remove();
  } else {
    const picture = new DOMParser().parseFromString(pictures.get(place), 'text/html');
    place.querySelector('.coming')?.remove();
    place.prepend(...picture.body.childNodes);
  }
  if (!is_for_now) return;
  const told = document.createElement('p');
  told.className = 'for-now';
  told.textContent = 'A picture for now: the chart that answers to the pointer is being made ready.';
  place.prepend(told);
}

// ── the charts ─────────────────────────────────────────────────────────────────────────────

async function specification(place) {
  const query = new URLSearchParams(place.dataset.query);
  query.set('theme', dark.matches ? 'dark' : 'light');
  const answer = await fetch(`${place.dataset.spec}?${query}`);
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.json();
}

async function draw(place) {
  place.setAttribute('aria-busy', 'true');
  try {
    const spec = await specification(place);
    await ready;
    // The title stands above the chart already.
    delete spec.title;
    const isNarrow = place.clientWidth < 600;
    Object.assign(spec, { width: 'container', autosize: { type: 'fit', contains: 'padding' } });
    spec.height = isNarrow ? 420 : 460;
    spec.config.legend = { ...spec.config.legend, ...(isNarrow && { orient: 'bottom', columns: 2 }) };
    const frame = document.createElement('div');
    frame.className = 'coming';
    place.append(frame);
    const made = await globalThis.vegaEmbed(frame, spec, OPTIONS);
    frame.classList.remove('coming');
    place.replaceChildren(frame);
    views.get(place)?.finalize();
    views.set(place, made);
    made.view.addEventListener('click', (event, item) => {
      const to = item?.datum?.to;
      if (to) location.assign(new URL(place.dataset.root + to, document.baseURI));
    });
    place.closest('section').querySelector('.hint')?.removeAttribute('hidden');
  } catch (error) {
    console.warn('a picture has to do', error);
    showPicture(place);
  } finally {
    place.removeAttribute('aria-busy');
  }
}

// One after the other: the first is what is looked at.
async function drawAll() {
  for (const place of places) await draw(place);
}

dark.addEventListener('change', drawAll);
for (const select of document.querySelectorAll('.explore-form select, .explore-form [type=checkbox]')) {
  select.addEventListener('change', () => select.form.requestSubmit());
}
// What is left empty is not asked.
document.querySelector('.explore-form').addEventListener('formdata', ({ formData }) => {
  for (const [name, text] of [...formData]) if (text === '') formData.delete(name);
});
drawAll();
