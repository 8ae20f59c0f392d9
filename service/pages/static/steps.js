// Charts that are read closely: what a stretch says is told beside it when a pointer is over it, or
// the arrow keys have come to it. Without this module the table below says the same.

function attend(chart) {
  const stretches = [...chart.querySelectorAll(".stretch")];
  const said = chart.parentElement.querySelector(".panel-said");
  let pointed = -1;

  function point(place) {
    stretches[pointed]?.classList.remove("pointed");
    pointed = place;
    stretches[pointed]?.classList.add("pointed");
    const text = stretches[pointed]?.querySelector("title").textContent ?? "";
    if (said.textContent !== text) said.textContent = text;
  }

  const keys = {
    ArrowLeft: () => pointed - 1,
    ArrowRight: () => pointed + 1,
    Home: () => 0,
    End: () => stretches.length - 1,
  };

  chart.tabIndex = 0;
  chart.addEventListener("pointerover", (event) => {
    const place = stretches.indexOf(event.target);
    if (place >= 0) point(place);
  });
  chart.addEventListener("pointerleave", () => point(-1));
  chart.addEventListener("focus", () => {
    if (chart.matches(":focus-visible")) point(stretches.length - 1);
  });
  chart.addEventListener("blur", () => point(-1));
  chart.addEventListener("keydown", (event) => {
    const move = keys[event.key];
    if (!move || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    point(Math.min(Math.max(move(), 0), stretches.length - 1));
  });
}

for (const chart of document.querySelectorAll("svg.steps")) attend(chart);
