/* Draws the charts; lets long tables be searched and keeps them short until then. */
"use strict";

const SHOWN = 50;

function filterable(section) {
  const rows = [...section.querySelectorAll("tbody tr")];
  const bar = section.querySelector(".filter");
  const input = bar.querySelector("input");
  const button = bar.querySelector("button");
  const state = bar.querySelector("output");
  const texts = rows.map((row) => row.dataset.search.toLowerCase());
  let all = false;

  function show() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    rows.forEach((row, i) => {
      const fits = words.every((word) => texts[i].includes(word));
      found += fits;
      row.classList.toggle("hidden", !fits || (found > SHOWN && !all));
    });
    const visible = all ? found : Math.min(found, SHOWN);
    const of = words.length ? `${found.toLocaleString("en")} found` : rows.length.toLocaleString("en");
    state.textContent = visible < found ? `Showing the first ${visible} of ${of}` : words.length ? of : "";
    button.classList.toggle("hidden", found <= SHOWN);
    button.textContent = all ? `Show the first ${SHOWN}` : "Show all";
  }

  input.addEventListener("input", show);
  button.addEventListener("click", () => { all = !all; show(); });
  bar.classList.toggle("hidden", rows.length <= 12);
  show();
}

document.querySelectorAll("[data-filterable]").forEach(filterable);

const charts = JSON.parse(document.getElementById("charts").textContent);
const drawn = Object.entries(charts).map(([id, spec]) =>
  // `ast`: expressions are interpreted, so that the page needs no permission to evaluate code. The
  // styles that the library would add are in page.css: the page's policy refuses what it adds.
  vegaEmbed(document.getElementById(id), spec, {
    actions: false, renderer: "svg", ast: true, defaultStyle: false, tooltip: { disableDefaultStyle: true },
  })
);
Promise.all(drawn).then(
  () => { document.documentElement.dataset.charts = "drawn"; },
  (error) => { document.documentElement.dataset.charts = `failed: ${error}`; }
);
