// What a page adds to its figures: details on hover, tables sorted by a click, one scenario at a time.
"use strict";

const tip = document.createElement("div");
tip.id = "tip";
tip.hidden = true;
document.body.append(tip);
let pointed = null;

// The shapes carry their text as <title>; it moves to an attribute when first shown, so that the browser's own, slower
// tooltip does not appear as well.
function tipText(shape) {
  const title = shape.querySelector(":scope > title");
  if (title) {
    const row = shape.closest("[data-row]");
    shape.dataset.tip = (row ? row.dataset.row + ": " : "") + title.textContent;
    title.remove();
  }
  return shape.dataset.tip;
}

// For timeline.js, which knows what lies under the pointer by itself.
function showTip(text, event) {
  tip.textContent = text;
  tip.hidden = false;
  moveTip(event);
}
function hideTip() { tip.hidden = true; }

function moveTip(event) {
  const x = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
  const below = event.clientY + 18;
  const y = below + tip.offsetHeight > innerHeight ? event.clientY - tip.offsetHeight - 10 : below;
  tip.style.left = Math.max(x, 4) + "px";
  tip.style.top = Math.max(y, 4) + "px";
}

function leave() {
  if (pointed) pointed.classList.remove("pointed");
  pointed = null;
  tip.hidden = true;
}

document.addEventListener("mouseover", (event) => {
  if (event.target.closest(".timeline svg.plot")) return;
  leave();
  const shape = event.target.closest(".figure rect, .figure path, .figure text");
  const text = shape && tipText(shape);
  if (!text) return;
  pointed = shape;
  if (shape.tagName !== "text") shape.classList.add("pointed");
  tip.textContent = text;
  tip.hidden = false;
});

document.addEventListener("mousemove", (event) => {
  if (!tip.hidden) moveTip(event);
});

function sortBy(header) {
  const table = header.closest("table");
  const column = header.cellIndex;
  const ascending = header.getAttribute("aria-sort") !== "ascending";
  const key = (row) => row.cells[column].dataset.value ?? "";
  const rows = [...table.tBodies[0].rows].sort((a, b) => {
    const [left, right] = [key(a), key(b)];
    if (left === "" || right === "") return (left === "") - (right === "");  // without a figure: last
    const order = column === 0 ? left.localeCompare(right) : Number(left) - Number(right);
    return ascending ? order : -order;
  });
  for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  table.tBodies[0].append(...rows);
}

for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => sortBy(button.closest("th")));
}

// Many points: the page shows the chosen one, and all of them when printed.
const links = [...document.querySelectorAll("nav a")];
const sections = [...document.querySelectorAll("section.point")];

function show(id) {
  for (const section of sections) section.hidden = id !== "" && section.id !== id;
  for (const link of links) link.setAttribute("aria-current", String(link.hash === (id ? "#" + id : "#all")));
}

function showChosen() {
  const id = decodeURIComponent(location.hash.slice(1));
  show(sections.some((section) => section.id === id) ? id : "");
}

// Printed, the page is whole: charts in folds too, which close again.
let opened = [];
addEventListener("beforeprint", () => {
  show("");
  opened = [...document.querySelectorAll("details.fold:not([open])")];
  for (const fold of opened) fold.open = true;
});
addEventListener("afterprint", () => {
  for (const fold of opened) fold.open = false;
  showChosen();
});
addEventListener("hashchange", showChosen);
if (links.length > 0) showChosen();
