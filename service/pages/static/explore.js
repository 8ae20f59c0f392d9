// Pictures become charts that answer to the pointer: the same specification, drawn here.
const dark = matchMedia('(prefers-color-scheme: dark)');
const places = [...document.querySelectorAll('.drawn')];
const pictures = new Map(places.map((place) => [place, [...place.childNodes]]));
const views = new Map();

// A page under a strict policy may make no code of texts: expressions are walked, not compiled.
const OPTIONS = {
  ast: true,
  actions: false,
  defaultStyle: false,
  renderer: 'svg',
  tooltip: { disableDefaultStyle: true },
};

async function specification(place) {
  const query = new URLSearchParams(place.dataset.query);
  query.set('theme', dark.matches ? 'dark' : 'light');
  const answer = await fetch(`${place.dataset.spec}?${query}`);
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.json();
}

async function draw(place) {
  try {
    const spec = await specification(place);
    await import(new URL(place.dataset.library, document.baseURI));
    // The title stands above the chart already.
    delete spec.title;
    const isNarrow = place.clientWidth < 600;
    Object.assign(spec, { width: 'container', autosize: { type: 'fit', contains: 'padding' } });
    spec.height = isNarrow ? 420 : 460;
    spec.config.legend = { ...spec.config.legend, ...(isNarrow && { orient: 'bottom', columns: 2 }) };
    const frame = document.createElement('div');
    place.replaceChildren(frame);
    const made = await globalThis.vegaEmbed(frame, spec, OPTIONS);
    views.get(place)?.finalize();
    views.set(place, made);
    made.view.addEventListener('click', (event, item) => {
      const to = item?.datum?.to;
      if (to) location.assign(new URL(place.dataset.root + to, document.baseURI));
    });
    place.closest('section').querySelector('.hint')?.removeAttribute('hidden');
  } catch (error) {
    console.warn('the picture stays', error);
    place.replaceChildren(...pictures.get(place));
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
