// Filters of the log act at once: the same page is fetched, and its log takes the place of this one.
const form = document.querySelector('form[data-into]');
const log = document.getElementById(form.dataset.into);
let fetching = null;

async function show(address, { isOfForm = false } = {}) {
  fetching?.abort();
  const mine = (fetching = new AbortController());
  log.setAttribute('aria-busy', 'true');
  try {
    const answer = await fetch(address, { signal: mine.signal, headers: { Accept: 'text/html' } });
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const found = page.getElementById(log.id);
    if (!found) throw new Error('not this page');
    log.replaceChildren(...found.childNodes);
    swap(page, '.formats');
    swap(page, '.texts .clear', '.texts');
    if (isOfForm) {
      form.replaceChildren(...page.querySelector('form[data-into]').childNodes);
      form.querySelector('select').focus();
    }
    if (new URL(address, location).href !== location.href) history.pushState(null, '', address);
  } catch (error) {
    if (error.name === 'AbortError') return;
    location.assign(address); // the plain way tells what is wrong
  } finally {
    if (fetching === mine) log.setAttribute('aria-busy', 'false');
  }
}

// What says the same of other filters: a link that is there now or not.
function swap(page, selector, parent) {
  const now = document.querySelector(selector);
  const then = page.querySelector(selector);
  if (now && then) now.replaceWith(then);
  else if (now) now.remove();
  else if (then && parent) document.querySelector(parent).append(then);
}

function asked() {
  const pairs = [...new FormData(form)].filter(([, text]) => text.trim() !== '');
  const query = new URLSearchParams(pairs).toString();
  return form.action + (query ? `?${query}` : '');
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  show(asked());
});
form.addEventListener('change', (event) => {
  // A single field moves to those that can be taken back, so the form is another one then.
  show(asked(), { isOfForm: event.target.matches('select') });
});
addEventListener('popstate', () => location.reload());
