// What every page learns while it is open: that the catalog has changed, and that what it shows is
// old. It says so and waits to be asked; nothing moves under a reader's eyes.

const at = (path) => new URL(`../${path}`, import.meta.url); // this file lies in static/
const page = document.documentElement;
const news = document.getElementById("news");
const stale = document.getElementById("stale");
const POLL_SECONDS = 60;
const LOST_SECONDS = 5; // while there is no answer
const RETRY_SECONDS = 60;

let stream = null;
let place = page.dataset.revision; // in the log of changes: what this page has seen
let shown = Number(page.dataset.revision);
let changes = 0;
let retry = 0;
let is_lost = false; // the last question got no answer
let asked_at = 0;
let next_question = 0;

// ── what has changed ───────────────────────────────────────────────────────────────────────

function listen() {
  clearTimeout(retry);
  if (stream || document.hidden || !place || !window.EventSource) return;
  const address = at("catalog/changes/stream");
  if (Number(place) !== 0) address.searchParams.set("since", place); // 0: nothing is stored
  stream = new EventSource(address);
  stream.addEventListener("change", (event) => {
    place = event.lastEventId || place;
    changes += 1;
    tellChanges();
  });
  stream.addEventListener("resync", (event) => {
    place = event.lastEventId || place;
    tellNews("The catalog was made anew since you opened this.");
  });
  stream.addEventListener("open", () => {
    if (is_lost) ask();
  });
  stream.addEventListener("error", () => {
    const is_over = stream?.readyState === EventSource.CLOSED; // full, or not to be had: 503
    if (is_over) {
      hush();
      retry = setTimeout(listen, RETRY_SECONDS * 1000 * (0.75 + Math.random() / 2));
    }
    if (Date.now() - asked_at > LOST_SECONDS * 1000) ask();
  });
}

// Browsers open six connections to one address: a stream in each of many tabs would take them all.
function hush() {
  stream?.close();
  stream = null;
}

let telling = 0;

function tellChanges() {
  clearTimeout(telling); // many come at once
  telling = setTimeout(
    () => tellNews(`${changes} ${changes === 1 ? "change" : "changes"} since you opened this.`),
    200,
  );
}

function tellNews(text) {
  const told = document.createElement("span");
  told.textContent = text;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Update";
  button.addEventListener("click", update);
  news.replaceChildren(told, button);
}

function update() {
  const event = new CustomEvent("catalog:update", { cancelable: true });
  if (document.dispatchEvent(event)) {
    location.reload(); // the page has no way of its own
    return;
  }
  forget();
  document.getElementById("main")?.focus({ preventScroll: true });
}

function forget() {
  changes = 0;
  clearTimeout(telling);
  news.replaceChildren();
}

// A page that was put in place of the one before says of which revision it is.
new MutationObserver(() => {
  const now = Number(page.dataset.revision);
  if (now > shown) {
    shown = now;
    if (Number.parseInt(place, 10) <= now) forget();
  }
}).observe(page, { attributeFilter: ["data-revision"] });

// ── whether it is old ──────────────────────────────────────────────────────────────────────

async function ask() {
  clearTimeout(next_question);
  if (document.hidden) return; // it is asked when somebody looks again
  asked_at = Date.now();
  try {
    const answer = await fetch(at("readyz"), { method: "HEAD", cache: "no-store" });
    is_lost = false;
    const said = answer.headers.get("Catalog-Stale");
    if (said === "true") {
      tellStale(`The gateway was not reached for too long: this is of ${time(answer)}.`);
    } else if (said === "false") {
      stale.replaceChildren();
    }
    const revision = Number(answer.headers.get("Catalog-Revision"));
    if (!stream && place && revision > shown && !changes) {
      tellNews("The catalog has changed since you opened this.");
    }
  } catch {
    is_lost = true;
    tellStale("The service cannot be reached: this is what it said last.");
  }
  clearTimeout(next_question);
  next_question = setTimeout(ask, (is_lost ? LOST_SECONDS : POLL_SECONDS) * 1000);
}

function time(answer) {
  const checked = answer.headers.get("Catalog-Checked");
  return checked ? `${checked.slice(0, 10)}, ${checked.slice(11, 16)} UTC` : "an earlier start";
}

function tellStale(text) {
  if (stale.textContent.trim() === text) return;
  const told = document.createElement("span");
  told.textContent = text;
  stale.replaceChildren(told);
}

// ── while somebody looks ───────────────────────────────────────────────────────────────────

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    hush();
  } else {
    listen();
    ask();
  }
});
addEventListener("pagehide", hush);
addEventListener("pageshow", listen);
addEventListener("online", ask);
addEventListener("offline", ask);
listen();
ask(); // a page may come from a cache, and not every one says by itself that it is old
