// The page keeps itself current: it asks for itself, and takes over the sections that differ.
const EVERY_MS = 10_000;

async function look() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: 'text/html' } });
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    for (const mine of document.querySelectorAll('[data-live]')) {
      const other = page.getElementById(mine.id);
      if (other && !mine.contains(document.activeElement)) take(mine, other);
    }
    document.title = page.title;
  } catch {
    // Asked again soon; what is shown says by itself of when it is.
  }
}

function take(mine, other) {
  // What a person has opened or closed stays so.
  const open = [...mine.querySelectorAll('details')].map((one) => one.open);
  [...other.querySelectorAll('details')].forEach((one, place) => {
    if (place < open.length) one.open = open[place];
  });
  if (mine.innerHTML !== other.innerHTML) mine.replaceChildren(...other.childNodes);
  mine.className = other.className;
}

setInterval(look, EVERY_MS);
document.addEventListener('visibilitychange', look);
