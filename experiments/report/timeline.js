// A closer look at a timeline: wheel, drag, touch and keyboard move one window of time over all of a figure's policies,
// and every event and wait says what it is (timeline_panel.js). The picture that stands in the page needs none of this:
// without scripts and on paper it is the whole step.
"use strict";

const CLOSEST = 2000;  // times the whole step

// Round places along the axis, seven or so.
function ticksOf(low, high) {
  const rough = (high - low) / 7, ten = 10 ** Math.floor(Math.log10(rough));
  const step = ten * [1, 2, 5, 10].find((factor) => ten * factor >= rough);
  const ticks = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high; tick += step) ticks.push(Number(tick.toPrecision(12)));
  return ticks;
}

class Timeline {
  constructor(figure) {
    const data = JSON.parse(figure.querySelector("script").textContent);
    this.svg = figure.querySelector("svg");
    this.tick = data.tick_s;
    const plots = [...this.svg.querySelectorAll("svg.plot")];
    this.panels = data.panels.map((panel, i) => new Panel(panel, plots[i], data.tick_s));
    this.overviews = [...this.svg.querySelectorAll("svg.overview")];
    this.axis = this.svg.querySelector("svg.ticks");
    this.whole = Math.max(...data.panels.map((panel) => panel.end));
    this.view = { from: 0, to: this.whole };
    this.pointers = new Map();
    this.addControls(figure);
    this.listen();
  }

  addControls(figure) {
    const bar = document.createElement("div");
    bar.className = "controls";
    const button = (text, label, action) => {
      const element = document.createElement("button");
      element.type = "button";
      element.textContent = text;
      element.setAttribute("aria-label", label);
      element.addEventListener("click", action);
      bar.append(element);
    };
    button("+", "Zoom in", () => this.zoom(0.5));
    button("−", "Zoom out", () => this.zoom(2));
    button("◀", "Earlier", () => this.pan(-0.25));
    button("▶", "Later", () => this.pan(0.25));
    button("whole step", "Show the whole step", () => this.show(0, this.whole));
    this.status = document.createElement("span");
    this.status.setAttribute("aria-live", "polite");
    this.status.textContent = "Drag to move, pinch or Ctrl + wheel to zoom; with the focus here: arrows, + − 0";
    bar.append(this.status);
    figure.prepend(bar);
    this.svg.tabIndex = 0;
    this.svg.setAttribute("role", "group");
    this.svg.setAttribute("aria-roledescription", "timeline that zooms with plus and minus and moves with arrows");
  }

  // The window stays inside the step; nothing is redrawn more often than the screen is.
  show(from, to) {
    const length = Math.min(Math.max(to - from, this.whole / CLOSEST), this.whole);
    const start = Math.min(Math.max(from, 0), this.whole - length);
    this.view = { from: start, to: start + length };
    this.svg.classList.toggle("zoomed", length < this.whole);
    this.svg.dataset.view = `${start.toFixed(0)} ${(start + length).toFixed(0)}`;
    this.status.textContent = seconds(start * this.tick) + " to " + seconds((start + length) * this.tick) + " of " +
      seconds(this.whole * this.tick);
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => { this.frame = 0; this.draw(); });
  }
  pan(share) {
    const by = share * (this.view.to - this.view.from);
    this.show(this.view.from + by, this.view.to + by);
  }
  zoom(factor, at = (this.view.from + this.view.to) / 2) {
    const length = Math.min(Math.max((this.view.to - this.view.from) * factor, this.whole / CLOSEST), this.whole);
    const share = (at - this.view.from) / (this.view.to - this.view.from);
    this.show(at - share * length, at + (1 - share) * length);
  }

  draw() {
    for (const panel of this.panels) panel.draw(this.view);
    const { from, to } = this.view, width = this.panels[0].width, scale = width / (to - from);
    for (const overview of this.overviews) {
      for (const path of overview.querySelectorAll("path")) {
        path.setAttribute("transform", `translate(${-from * scale} 0) scale(${this.whole / (to - from)} 1)`);
      }
    }
    this.axis.replaceChildren();
    for (const tick of ticksOf(from * this.tick, to * this.tick)) {
      const x = (tick / this.tick - from) * scale;
      this.axis.append(svgElement("line", { class: "axis", x1: x, y1: 0, x2: x, y2: 4 }));
      const end = x < 14 ? "" : x > width - 14 ? "end " : "middle ";
      const text = svgElement("text", { class: "small muted " + end, x: end === "" ? 0 : Math.min(x, width + 14), y: 17 });
      text.textContent = tick + " s";
      this.axis.append(text);
    }
  }

  // Time under a place of the screen; every plot has the same left edge and width.
  timeAt(clientX) {
    const matrix = this.svg.getScreenCTM();
    const { plot, width } = this.panels[0];
    const share = ((clientX - matrix.e) / matrix.a - plot.x.baseVal.value) / width;
    return this.view.from + share * (this.view.to - this.view.from);
  }

  tell(event) {
    const matrix = this.svg.getScreenCTM();
    const y = (event.clientY - matrix.f) / matrix.d;
    const time = this.timeAt(event.clientX);
    for (const panel of this.panels) {
      const inside = y - panel.plot.y.baseVal.value, row = Math.floor(inside / panel.data.pitch);
      if (row < 0 || row >= panel.rows.length || time < this.view.from || time > this.view.to) continue;
      const reach = (this.view.to - this.view.from) / panel.width;
      const found = panel.at(row, time, reach, inside - row * panel.data.pitch > panel.data.work);
      return found ? showTip(found.text, event) : hideTip();
    }
    hideTip();
  }

  listen() {
    const svg = this.svg;
    svg.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && document.activeElement !== svg) return;  // the page scrolls
      event.preventDefault();
      event.shiftKey ? this.pan(Math.sign(event.deltaY) * 0.1)
        : this.zoom(1.2 ** Math.sign(event.deltaY), this.timeAt(event.clientX));
    }, { passive: false });
    svg.addEventListener("keydown", (event) => {
      const action = { ArrowLeft: () => this.pan(-0.1), ArrowRight: () => this.pan(0.1), "+": () => this.zoom(0.7),
        "=": () => this.zoom(0.7), "-": () => this.zoom(1 / 0.7), "0": () => this.show(0, this.whole),
        Home: () => this.show(0, this.whole), End: () => this.pan(1e6) }[event.key];
      if (!action || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      action();
    });
    svg.addEventListener("pointerdown", (event) => {
      this.pointers.set(event.pointerId, event.clientX);
      if (event.pointerType !== "touch") svg.setPointerCapture(event.pointerId);
      this.tell(event);
    });
    svg.addEventListener("pointermove", (event) => {
      if (!this.pointers.has(event.pointerId)) return this.tell(event);
      const times = [...this.pointers.values()].map((x) => this.timeAt(x));
      const before = this.pointers.get(event.pointerId);
      this.pointers.set(event.pointerId, event.clientX);
      if (this.pointers.size === 1) {
        const by = this.timeAt(before) - this.timeAt(event.clientX);
        if (by !== 0) { hideTip(); this.show(this.view.from + by, this.view.to + by); }
      } else if (this.pointers.size === 2) {
        const now = [...this.pointers.values()].map((x) => this.timeAt(x));
        const apart = Math.abs(now[0] - now[1]);
        if (apart > 0) this.zoom(Math.abs(times[0] - times[1]) / apart, (now[0] + now[1]) / 2);
      }
    });
    for (const end of ["pointerup", "pointercancel", "pointerleave"]) {
      svg.addEventListener(end, (event) => { this.pointers.delete(event.pointerId); if (end !== "pointerup") hideTip(); });
    }
  }
}

const timelines = [...document.querySelectorAll("figure.timeline")].map((figure) => new Timeline(figure));
addEventListener("beforeprint", () => {
  for (const timeline of timelines) if (timeline.svg.dataset.view) { timeline.show(0, timeline.whole); timeline.draw(); }
});
