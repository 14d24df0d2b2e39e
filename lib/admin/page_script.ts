/**
 * What the page does: it listens to `events` and shows each update.
 *
 * @module
 */

import { MAX_CONNECTIONS } from "./updates.ts";

// Tagged so that editors colour it as what it is.
const js = String.raw;

/** The page's script, for browsers. Text is only ever set as text. */
export const SCRIPT: string = js`
// Milliseconds without an update after which touch is lost, and between tries.
const PATIENCE = 5000;
const RETRY = 1000;
// Seconds that the graph shows, and a pause between updates that is a gap.
const WINDOW = 300;
const GAP = 5;
// Open connections among which the server looks for the busiest.
const SEARCHED = ${MAX_CONNECTIONS};

const $ = (id) => document.getElementById(id);

// Touching only what differs keeps what the reader has selected.
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// -- Units ------------------------------------------------------------------

const NBSP = "\u00a0";
const whole = new Intl.NumberFormat("en");

function count(n) {
  return whole.format(n);
}

function plural(n, thing) {
  return count(n) + NBSP + thing + (n === 1 ? "" : "s");
}

// A number and its unit: 1,234 is 1.23 kB.
function scaled(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  while (bytes >= 999.5 && unit < units.length - 1) {
    bytes /= 1000;
    unit++;
  }
  const digits = unit === 0 || bytes >= 99.95 ? 0 : bytes >= 9.995 ? 1 : 2;
  return [bytes.toFixed(digits), units[unit]];
}

function size(bytes) {
  return scaled(bytes).join(NBSP);
}

function rate(bytes) {
  return bytes === null ? "–" : size(bytes) + "/s";
}

function span(seconds) {
  const [days, hours, minutes, rest] = [
    seconds / 86400,
    seconds / 3600 % 24,
    seconds / 60 % 60,
    seconds % 60,
  ].map(Math.floor);
  const units = days
    ? [days, "d", hours, "h"]
    : hours
    ? [hours, "h", minutes, "min"]
    : minutes
    ? [minutes, "min", rest, "s"]
    : [rest, "s"];
  return units.join(NBSP);
}

// -- State ------------------------------------------------------------------

const STATES = {
  ready: ["Ready", ""],
  draining: [
    "Draining",
    "The server is shutting down: it accepts nobody, and open connections end.",
  ],
  lost: ["Lost touch", ""],
};

let server = "echoserver";
let lastSeen = "";

function setState(state) {
  if (document.body.dataset.state === state) return;
  document.body.dataset.state = state;
  const [label, notice] = STATES[state];
  setText($("state"), label);
  const since = lastSeen ? "No update since " + lastSeen : "No answer yet";
  setText(
    $("notice"),
    state === "lost" ? since + ". Trying again every second." : notice,
  );
  document.title = label + " – " + server;
}

// -- Tables -----------------------------------------------------------------

// Makes as many rows as there are, and fills their cells: [text, small text].
function fill(body, rows, classes) {
  while (body.rows.length > rows.length) body.deleteRow(-1);
  rows.forEach(({ share, cells }, at) => {
    const row = body.rows[at] ?? addRow(body, classes);
    row.style.setProperty("--share", (share ?? 0) * 100 + "%");
    cells.forEach(([text, note], column) => {
      const [main, small] = row.cells[column].children;
      setText(main, text);
      setText(small, note ?? "");
    });
  });
}

function addRow(body, classes) {
  const row = body.insertRow();
  classes.forEach((name, column) => {
    const cell = document.createElement(column === 0 ? "th" : "td");
    if (column === 0) cell.scope = "row";
    cell.className = name;
    cell.append(
      document.createElement("span"),
      document.createElement("small"),
    );
    row.append(cell);
  });
  return row;
}

function showListeners(listeners) {
  const rows = listeners.map((of) => {
    const datagrams = of.listener.startsWith("udp:");
    const taken = datagrams
      ? plural(of.datagramsIn, "datagram")
      : count(of.accepted) + " accepted";
    return {
      cells: [
        [of.listener, taken],
        [datagrams ? "–" : count(of.open)],
        [rate(of.bytesInRate)],
        [rate(of.bytesOutRate)],
      ],
    };
  });
  fill($("listeners"), rows, ["address", "", "", ""]);
}

function showCounts(body, counts) {
  const all = Object.values(counts).reduce((sum, n) => sum + n, 0);
  for (const row of body.rows) {
    const n = counts[row.dataset.key] ?? 0;
    row.style.setProperty("--share", (all && n / all) * 100 + "%");
    setText(row.cells[1], count(n));
    row.cells[1].className = n ? "" : "none";
  }
}

function showBusiest(connections, open) {
  const most = connections[0]?.bytesRate || 1;
  const rows = connections.map((of) => ({
    share: of.bytesRate / most,
    cells: [
      [
        of.client === "unix:" ? "unix: unnamed" : of.client,
        of.listener + (of.client === of.peer ? "" : " via " + of.peer),
      ],
      [rate(of.bytesRate)],
      [size(of.bytesIn)],
      [size(of.bytesOut)],
      [span(of.seconds)],
    ],
  }));
  fill($("busiest"), rows, ["address", "", "wide", "wide", ""]);
  $("nobody").hidden = rows.length > 0;
  setText(
    $("searched"),
    open > SEARCHED
      ? "of " + count(SEARCHED) + " out of " + count(open) + " open ones"
      : "",
  );
}

// -- Graph ------------------------------------------------------------------

// The last minutes: { at, received, sent }, in seconds and bytes a second.
const points = [];

function addPoint(at, received, sent) {
  // The server is another one if its time goes back.
  if (points.length > 0 && at <= points.at(-1).at) points.length = 0;
  points.push({ at, received, sent });
  while (points[0].at < at - WINDOW) points.shift();
}

// The next round number, so that the scale seldom changes.
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 6, 8, 10].find((step) => step * power >= value) *
    power;
}

function drawGraph() {
  const now = points.at(-1).at;
  const most = Math.max(...points.map((p) => Math.max(p.received, p.sent)));
  const scale = ceiling(Math.max(most, 1000));
  drawSide("received", now, (p) => 50 - 48 * p.received / scale);
  drawSide("sent", now, (p) => 50 + 48 * p.sent / scale);
  const [number, unit] = scaled(scale);
  setText($("scale"), "up to " + Number(number) + " " + unit + "/s");
  $("graph").setAttribute(
    "aria-label",
    "Bytes a second in the last " + span(now - points[0].at) +
      ": at most " + rate(most),
  );
}

function drawSide(name, now, y) {
  let line = "";
  let area = "";
  let last;
  const x = (p) => (WINDOW - (now - p.at)).toFixed(2);
  for (const p of points) {
    const begins = !last || p.at - last.at > GAP;
    if (begins && last) area += "L" + x(last) + ",50Z";
    line += (begins ? "M" : "L") + x(p) + "," + y(p).toFixed(2);
    area += (begins ? "M" + x(p) + ",50L" : "L") + x(p) + "," + y(p).toFixed(2);
    last = p;
  }
  area += "L" + x(last) + ",50Z";
  $(name + "-line").setAttribute("d", line);
  $(name + "-area").setAttribute("d", area);
}

// -- Updates ----------------------------------------------------------------

function showFigure(id, text, unit) {
  const [number, small] = $(id).children;
  setText(number, text);
  setText(small, unit);
}

function showRate(id, bytes) {
  const [number, unit] = bytes === null ? ["–", "B"] : scaled(bytes);
  showFigure(id, number, unit + "/s");
}

function showFigures(total) {
  showFigure("open", count(total.open), "");
  setText($("accepted"), count(total.accepted) + " accepted");
  showRate("received", total.bytesInRate);
  setText($("received-all"), size(total.bytesIn) + " in total");
  showRate("sent", total.bytesOutRate);
  setText($("sent-all"), size(total.bytesOut) + " in total");
  const fresh = total.acceptedRate;
  showFigure("fresh", fresh === null ? "–" : count(Math.round(fresh)), "/s");
  setText($("aborted"), count(total.abortedBeforeAccept) + " gone before accept");
}

function show(update) {
  server = update.name;
  lastSeen = new Date().toLocaleTimeString();
  setText($("name"), update.name);
  setText(
    $("about"),
    "echoserver " + update.version + " · up " + span(update.uptime) + " · " +
      plural(update.restarts, "restart"),
  );
  setState(update.ready ? "ready" : "draining");
  const { total, listeners, busiest } = update;
  showFigures(total);
  if (total.bytesInRate !== null) {
    addPoint(update.uptime, total.bytesInRate, total.bytesOutRate);
    drawGraph();
  }
  showListeners(listeners);
  showCounts($("closed"), total.closed);
  showCounts($("rejected"), total.rejected);
  showBusiest(busiest, total.open);
}

// -- Touch ------------------------------------------------------------------

// A browser gives up for good on some answers, and on silence never: so each
// stream is closed when it fails or falls silent, and another one is opened.
let stream;
let watch;

function listen() {
  stream = new EventSource("events");
  stream.onmessage = ({ data }) => {
    expect();
    show(JSON.parse(data));
  };
  stream.onerror = lose;
  expect();
}

function expect() {
  clearTimeout(watch);
  watch = setTimeout(lose, PATIENCE);
}

function lose() {
  stream.close();
  setState("lost");
  clearTimeout(watch);
  watch = setTimeout(listen, RETRY);
}

listen();
`;
