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
      // On paper the rows over the limit are shown too, if they are not proven.
      row.classList.toggle("hidden", !fits);
      row.classList.toggle("over", fits && found > SHOWN && !all);
    });
    section.classList.toggle("over-there", found > SHOWN && !all);
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

/* Says what a cell of the grid stands for, by touch and by keyboard. */
function detailed(grid) {
  const region = grid.closest(".scroll");
  const detail = grid.closest("section").querySelector(".detail");
  let chosen = null;

  function choose(cell) {
    if (!cell) return;
    if (chosen) chosen.classList.remove("chosen");
    chosen = cell;
    cell.classList.add("chosen");
    cell.scrollIntoView({ block: "nearest", inline: "nearest" });
    detail.textContent = `${cell.closest("tr").querySelector("th").textContent}, ${cell.title}`;
  }

  function next(key) {
    const rows = [...grid.querySelectorAll("tbody tr:not(.hidden):not(.over)")];
    if (!chosen) return rows[0] && rows[0].querySelector(".cell");
    const place = chosen.closest("td");
    if (key === "ArrowLeft" || key === "ArrowRight") {
      const beside = key === "ArrowLeft" ? place.previousElementSibling : place.nextElementSibling;
      return beside && beside.querySelector(".cell");
    }
    const row = rows[rows.indexOf(place.parentElement) + (key === "ArrowUp" ? -1 : 1)];
    return row && row.cells[place.cellIndex].querySelector(".cell");
  }

  grid.addEventListener("click", (event) => choose(event.target.closest(".cell")));
  region.addEventListener("keydown", (event) => {
    if (!event.key.startsWith("Arrow")) return;
    event.preventDefault();
    choose(next(event.key));
  });
  region.scrollLeft = region.scrollWidth; // The newest quarters are on the right.
}

document.querySelectorAll("table.grid").forEach(detailed);

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
