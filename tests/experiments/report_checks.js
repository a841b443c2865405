// What a browser finds wrong with a report, one finding a line, told to the page around it: put at the end of a copy of
// the report by report_browser_test.cpp, whose lines before the report gather errors.
"use strict";

const findings = [];
const find = (what, element) => findings.push(what + (element ? ": " + (element.textContent ?? "").trim().slice(0, 60) : ""));
const shown = (element) => element.getClientRects().length > 0;

function luminance([r, g, b]) {
  const linear = [r, g, b].map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}
function contrast(a, b) {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
}
// [r, g, b, alpha], null where there is no colour.
function colour(text) {
  const numbers = text.match(/[\d.]+/g)?.map(Number);
  if (!text.startsWith("rgb") || !numbers) return null;
  return numbers.length === 3 ? [...numbers, 1] : numbers;
}
function paperUnder(element) {
  for (let at = element; at; at = at.parentElement) {
    const paper = colour(getComputedStyle(at).backgroundColor);
    if (paper && paper[3] > 0.5) return paper;
  }
  return [255, 255, 255, 1];
}
// What a text of a picture stands on: the topmost filled shape at its middle, otherwise the page.
function shapeUnder(text) {
  text.scrollIntoView({ block: "center", inline: "center" });
  const box = text.getBoundingClientRect();
  const stack = document.elementsFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  for (const element of stack) {
    if (!element.closest("svg") || element.closest("text")) continue;
    const fill = colour(getComputedStyle(element).fill);
    if (["rect", "path"].includes(element.tagName) && fill && fill[3] > 0.5) return fill;
  }
  return paperUnder(text.closest("figure"));
}

function checkFigures() {
  const figures = [...document.querySelectorAll("svg.figure")].filter(shown);
  if (figures.length === 0) find("no figure");
  for (const figure of figures) {
    const box = figure.getBoundingClientRect();
    const name = figure.getAttribute("aria-label");
    if (!name) find("a figure without a label");
    if (box.width < 100 || box.height < 30) find("an empty box of a figure, " + name);
    if (figure.querySelectorAll("rect, path").length < 2) find("nothing drawn in " + name);
    for (const text of figure.querySelectorAll("text")) checkPictureText(text, figure, name);
  }
}

function checkPictureText(text, figure, name) {
  const frame = text.closest("svg").getBoundingClientRect(), whole = figure.getBoundingClientRect();
  const box = text.getBoundingClientRect();
  if (box.width === 0) return;
  if (box.left < whole.left - 1 || box.right > whole.right + 1 || box.top < whole.top - 1 || box.bottom > whole.bottom + 1) {
    find(`text outside its frame by ${Math.max(box.right - whole.right, whole.left - box.left).toFixed(0)} px in ${name}`, text);
  }
  const numbers = text.closest("svg.plot");
  if (numbers && (box.left < frame.left - 1 && box.right > frame.right + 1)) find("text outside its plot in " + name, text);
  const size = parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a;
  if (size < 10.99) find(`text of ${size.toFixed(1)} px in ${name}`, text);
  const ratio = contrast(colour(getComputedStyle(text).fill), shapeUnder(text));
  if (ratio < 4.5) find(`contrast of ${ratio.toFixed(2)} in ${name}, class ${text.getAttribute("class")}`, text);
}

function checkTexts() {
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  const checked = new Set();
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest("svg, script") || !shown(element) || checked.has(element)) continue;
    checked.add(element);
    const style = getComputedStyle(element);
    if (parseFloat(style.fontSize) < 10.99) find(`text of ${style.fontSize}`, element);
    const ratio = contrast(colour(style.color), paperUnder(element));
    if (ratio < 4.5) find(`contrast of ${ratio.toFixed(2)}`, element);
  }
}

function press(element, key) { element.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true })); }

// A page whose figures stand still says so itself: `withoutTimelines`.
function checkTimelines() {
  if (typeof withoutTimelines !== "undefined") return;
  if (timelines.length === 0) find("no timeline");
  for (const timeline of timelines) {
    const svg = timeline.svg, drawn = () => [...svg.querySelectorAll(".plot path")].map((path) => path.getAttribute("d")).join();
    const length = () => timeline.view.to - timeline.view.from;
    if (svg.tabIndex !== 0) find("a timeline that the keyboard does not reach");
    timeline.draw();
    const before = drawn(), whole = length();
    press(svg, "+");
    timeline.draw();
    if (!(length() < whole) || drawn() === before) find("+ does not zoom");
    const from = timeline.view.from;
    press(svg, "ArrowRight");
    if (!(timeline.view.from > from)) find("the arrow does not move");
    const numbers = [...svg.querySelectorAll(".plot text")];
    if (numbers.some((text) => Math.abs(text.getScreenCTM().a - text.getScreenCTM().d) > 1e-6)) find("stretched text");
    svg.scrollIntoView({ block: "center" });
    svg.focus();
    const zoomed = length();
    svg.dispatchEvent(new WheelEvent("wheel", { deltaY: -100, clientX: innerWidth / 2, bubbles: true, cancelable: true }));
    if (!(length() < zoomed)) find("the wheel does not zoom");
    press(svg, "0");
    timeline.draw();
    if (length() !== timeline.whole || drawn() !== before) find("0 does not show the whole step again");
    checkTips(timeline);
  }
}

// Every event and every wait of the first rows says what it is.
function checkTips(timeline) {
  for (const panel of timeline.panels) {
    if (panel.data.path.length === 0) find("no critical path in " + panel.data.name);
    for (const event of panel.events.slice(0, 40)) {
      if (!/starts .*, costs /.test(panel.eventText(event))) find("an event without its cost");
    }
    panel.rows.forEach((row, i) => row.waits.forEach((wait) => {
      const text = panel.waitText(i, wait);
      if (!/idle for/.test(text) || /undefined|NaN/.test(text)) find("a wait without its cause: " + text);
    }));
  }
  const plot = timeline.panels[0].plot, matrix = timeline.svg.getScreenCTM();
  const place = { clientX: matrix.e + matrix.a * (plot.x.baseVal.value + 3), clientY: matrix.f + matrix.d * (plot.y.baseVal.value + 3),
    bubbles: true, pointerId: 1 };
  plot.dispatchEvent(new PointerEvent("pointermove", place));
  if (document.getElementById("tip").hidden || !/microbatch/.test(document.getElementById("tip").textContent)) {
    find("no text under the pointer");
  }
}

// Nothing but what scrolls by itself is wider than the screen.
function checkWidth() {
  if (document.documentElement.scrollWidth <= innerWidth) return;
  const wide = [...document.querySelectorAll("main *")].filter((element) => shown(element) &&
    element.getBoundingClientRect().right > innerWidth + 1 && !element.closest(".scroll *, .wide-scroll *, .of-narrow *"));
  find(`the page is ${document.documentElement.scrollWidth} px wide, by ${wide.slice(-1)[0]?.outerHTML.slice(0, 120)}`);
}

function checkAll() {
  for (const fold of document.querySelectorAll("details")) fold.open = true;
  checkWidth();
  checkFigures();
  checkTexts();
  checkTimelines();
  findings.push(...pageErrors.map((error) => "error: " + error));
  findings.unshift(`${innerWidth} px, ${matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"}, ` +
    `${findings.length} findings`);
  parent.postMessage([...new Set(findings)].join("\n"), "*");
}
checkAll();
