// One policy of a timeline: what it draws of a window of time, and what lies under the pointer. No library draws here: the
// page's figures are the very bytes of the files for a paper, work without scripts and on paper, and keep their text
// unstretched at every zoom.
//
// The numbers come with the figure (timeline_data.cpp): events are five numbers each (stage, kind, microbatch, start
// after the event before, duration), waits too (row, start, duration, event that ends it, event that it was for).
"use strict";

const SVG = document.querySelector("svg")?.namespaceURI;  // its address would look like one to load

function svgElement(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function seconds(value) {
  const [unit, factor] = value >= 1 || value === 0 ? ["s", 1] : value >= 1e-3 ? ["ms", 1e3] : ["µs", 1e6];
  return Number((value * factor).toPrecision(4)) + " " + unit;
}

// One policy: its events with absolute times, by row, and what they are called.
class Panel {
  constructor(data, plot, tick) {
    Object.assign(this, { data, plot, tick, width: plot.width.baseVal.value });
    this.events = [];
    this.rows = data.rows.map(() => ({ events: [], waits: [] }));
    let start = 0, sender = 0;
    for (let i = 0; i < data.events.length; i += 5) {
      const [stage, kind, microbatch, after, duration] = data.events.slice(i, i + 5);
      start += after;
      const event = { stage, kind: data.kinds[kind], microbatch, start, end: start + duration };
      event.message = ["transfer", "gradient_reduction", "parameter_gather"].includes(event.kind);
      if (event.kind === "transfer") event.from = data.from[sender++];
      const side = ["forward", "backward", "weight_gradient"].includes(event.kind) ? data.stages[stage][1] + " " : "";
      event.classes = side + event.kind;
      this.events.push(event);
      this.rows[data.stages[stage][0]].events.push(event);
    }
    for (let i = 0; i < data.waits.length; i += 5) {
      const [row, from, duration, next, cause] = data.waits.slice(i, i + 5);
      this.rows[row].waits.push({ start: from, end: from + duration, next, cause });
    }
  }

  place(stage) { return stage >= 0 ? this.data.stages[stage][2] : "a device that is not drawn"; }
  time(ticks) { return seconds(ticks * this.tick); }

  number(event) {
    const splits = this.data.splits, unit = event.microbatch;
    return splits === 1 ? String(unit) : Math.floor(unit / splits) + "." + unit % splits;
  }
  named(event) {
    const kind = event.kind.replaceAll("_", " ");
    return kind + (event.microbatch >= 0 ? " of microbatch " + this.number(event) : "");
  }

  samplesOf(event) {
    const list = this.data.samples[this.data.stages[event.stage][3]]?.[event.microbatch];
    if (list === undefined || event.message) return "";
    if (typeof list === "number") return "\n" + list + " samples";
    const shown = list.slice(0, 12).join(", ") + (list.length > 12 ? ", …" : "");
    return "\n" + list.length + (list.length === 1 ? " sample: " : " samples: ") + shown;
  }

  eventText(event) {
    const from = event.kind === "transfer" ? "\nfrom " + this.place(event.from) : "";
    return this.named(event) + from + "\n" + (event.from === undefined ? "" : "to ") + this.place(event.stage) +
      "\nstarts " + this.time(event.start) + ", costs " + this.time(event.end - event.start) + this.samplesOf(event);
  }

  waitText(row, wait) {
    const head = this.data.rows[row] + "\nidle for " + this.time(wait.end - wait.start);
    const cause = this.events[wait.cause];
    const what = cause ? this.named(cause) + " (" + this.place(cause.stage) + ")" : "something that is not drawn";
    if (wait.next < 0) return head + ": done, the step ends with the " + what;
    const sent = cause?.kind === "transfer" ? ", sent by " + this.place(cause.from) + " at " + this.time(cause.start) : "";
    return head + " before the " + this.named(this.events[wait.next]) + ": waits for the " + what + sent;
  }

  // What lies at a time in a row: work first, then messages below it, then the wait.
  at(row, ticks, reach, below) {
    const near = (item) => item.start - reach <= ticks && ticks <= item.end + reach;
    const events = this.rows[row].events;
    const found = events.find((event) => event.message === below && near(event)) ?? events.find((event) =>
      !event.message && near(event));
    if (found) return { item: found, text: this.eventText(found) };
    const wait = this.rows[row].waits.find(near);
    return wait && { item: wait, text: this.waitText(row, wait) };
  }

  // Boxes of one colour as one path; what is thinner than half a pixel goes into its neighbour.
  draw(view) {
    const { pitch, work, lane, end, path } = this.data;
    const scale = this.width / (view.to - view.from);
    const x = (ticks) => (ticks - view.from) * scale;
    const paths = new Map(), numbers = [];
    this.rows.forEach((row, index) => {
      const last = new Map();
      const put = (classes, [from, to]) => {
        const message = !classes.includes(" ") && classes !== "optimizer_step";
        const width = Math.max(to - from, 0.6).toFixed(1), top = pitch * index + (message ? work : 0);
        paths.set(classes, (paths.get(classes) ?? "") +
          `M${from.toFixed(1)} ${top}h${width}v${message ? lane : work}h-${width}z`);
      };
      for (const event of row.events) {
        if (event.end < view.from || event.start > view.to) continue;
        const from = Math.max(x(event.start), -1), to = Math.min(x(event.end), this.width + 1);
        const box = last.get(event.classes);
        if (box && from < box[1] + 0.5 && (to - from < 0.5 || box[1] - box[0] < 0.5)) {
          box[1] = Math.max(box[1], to);
        } else {
          if (box) put(event.classes, box);
          last.set(event.classes, [from, to]);
        }
        const label = this.number(event);
        if (work >= 13 && event.classes.includes(" ") && to - from > 7 * label.length + 4) {
          numbers.push([(from + to) / 2, pitch * index + work / 2 + 4, label, event.kind]);
        }
      }
      for (const [classes, box] of last) put(classes, box);
    });
    const step = svgElement("rect", { class: "step", x: x(0), y: 0, width: end * scale, height: pitch * this.rows.length });
    this.plot.replaceChildren(step);
    for (const [classes, d] of paths) this.plot.append(svgElement("path", { class: classes, d }));
    for (const [left, top, text, kind] of numbers) {
      const number = svgElement("text", { class: `number ${kind}-number`, x: left.toFixed(1), y: top });
      number.textContent = text;
      this.plot.append(number);
    }
    let points = "", broken = true;  // where the path leads through rows that are not drawn
    for (const index of path) {
      const event = this.events[index];
      if (event) {
        const y = pitch * this.data.stages[event.stage][0] + work - 1, to = x(event.end).toFixed(1);
        if (broken) points += `M${x(event.start).toFixed(1)} ${y}`;
        points += event.message ? `L${to} ${y}` : `V${y}H${to}`;
      }
      broken = !event;
    }
    if (points) for (const classes of ["critical halo", "critical"]) {
      this.plot.append(svgElement("path", { class: classes, d: points }));
    }
  }
}
