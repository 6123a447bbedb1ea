/*
 * Script of the run page, as text that the page carries: unpacks the lanes, draws them on canvas, answers hover, drag,
 * zoom and links to single operations. Plain browser JavaScript without a library. It draws what is in view only, and
 * joins what would fall on one pixel, so that a hundred thousand operations stay smooth. Everything it shows is set
 * as text, never as markup. (No backtick, no dollar brace in here: the text sits in a template.)
 */

export const script = String.raw`
"use strict";
(async function () {
  const packed = document.getElementById("lanes-data").textContent.trim();
  const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const data = JSON.parse(await new Response(stream).text());

  const overview = document.getElementById("overview"), axis = document.getElementById("axis"), lanes = document.getElementById("lanes");
  const tip = document.getElementById("tip"), picked = document.getElementById("picked");
  const search = document.getElementById("search"), onlyEvidence = document.getElementById("only-evidence");
  const colours = {};
  function readColours() {
    const css = getComputedStyle(document.documentElement);
    for (const name of ["ground", "panel", "line", "text", "quiet", "ok", "refused", "unknown", "open", "evidence", "leader",
      "candidate", "pre", "follower", "down", "paused", "unseen", "fault", "reply", "progress", "laneText", "link"]) {
      colours[name] = css.getPropertyValue("--" + name).trim();
    }
  }
  const outcomeColours = () => [colours.ok, colours.refused, colours.unknown, colours.open];
  const outcomeWords = ["accepted", "refused, no effect", "unknown: may or may not have taken effect", "never answered"];
  const stateColours = () => ({ leader: colours.leader, candidate: colours.candidate, preCandidate: colours.pre,
    follower: colours.follower, down: colours.down, paused: colours.paused, unseen: colours.unseen });

  const gutter = 150, rightPad = 14, axisHeight = 26, overviewHeight = 44;
  const endMs = data.endMs;
  let fromMs = 0, toMs = endMs, width = 800, rows = [], selection = null, matches = null;

  // ---- rows ----------------------------------------------------------------------------------------------------
  function buildRows() {
    rows = [];
    let top = 6;
    const add = (kind, label, height, lane) => { rows.push({ kind, label, top, height, lane }); top += height; };
    const gap = (title) => { top += 8; rows.push({ kind: "title", label: title, top, height: 20 }); top += 20; };
    const only = onlyEvidence.checked;
    if (data.phases.length > 0) add("phases", "phases", 22, data.phases);
    add("faults", "faults", 26, data.faults);
    gap("Members");
    for (const lane of data.members) add("member", lane.name, 24, lane);
    const clients = only ? data.clients.filter((lane) => lane.operations.some((op) => op[8])) : data.clients;
    if (clients.length > 0) gap("Clients");
    const clientHeight = clients.length > 120 ? 9 : clients.length > 40 ? 13 : 20;
    for (const lane of clients) add("client", lane.label, clientHeight, lane);
    const watches = only ? data.watches.filter((lane) => lane.watches.some((watch) => watch[7])) : data.watches;
    if (watches.length > 0) gap("Watches");
    for (const lane of watches) add("watch", lane.label, watches.length > 60 ? 12 : 20, lane);
    return top + 8;
  }

  const xOf = (ms) => gutter + ((ms - fromMs) / (toMs - fromMs)) * (width - gutter - rightPad);
  const msOf = (x) => fromMs + ((x - gutter) / (width - gutter - rightPad)) * (toMs - fromMs);
  const clampX = (x) => Math.max(gutter - 2, Math.min(width - rightPad + 2, x));

  function prepare(canvas, height) {
    const scale = window.devicePixelRatio || 1;
    canvas.style.height = height + "px";
    const w = Math.round(width * scale), h = Math.round(height * scale);
    if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
    const ctx = canvas.getContext("2d");
    ctx.setTransform(scale, 0, 0, scale, 0, 0);
    ctx.clearRect(0, 0, width, height);
    ctx.font = "12px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
    ctx.textBaseline = "middle";
    return ctx;
  }

  // ---- time axis -----------------------------------------------------------------------------------------------
  function stepFor(span, places) {
    const rough = span / places, power = Math.pow(10, Math.floor(Math.log10(rough)));
    for (const factor of [1, 2, 5, 10]) if (factor * power >= rough) return factor * power;
    return 10 * power;
  }
  function timeText(ms, step) {
    if (endMs < 1000 || step < 1) return ms.toFixed(step < 1 ? 2 : 0) + " ms";
    const digits = step >= 1000 ? 0 : step >= 100 ? 1 : step >= 10 ? 2 : 3;
    return (ms / 1000).toFixed(digits) + " s";
  }
  function exactTime(ms) { return (ms / 1000).toFixed(3) + " s"; }
  function ticks() {
    const step = stepFor(toMs - fromMs, Math.max(2, (width - gutter) / 110));
    const list = [];
    for (let n = Math.ceil(fromMs / step); n * step <= toMs + step * 1e-6; n++) list.push(n * step);
    return { step, list };
  }
  function drawAxis() {
    const ctx = prepare(axis, axisHeight);
    const { step, list } = ticks();
    ctx.fillStyle = colours.quiet;
    ctx.textAlign = "left";
    ctx.fillText("time", 12, axisHeight / 2);
    for (const ms of list) {
      const x = xOf(ms);
      ctx.fillRect(x, axisHeight - 5, 1, 5);
      const text = timeText(ms, step), half = ctx.measureText(text).width / 2;
      ctx.textAlign = "center";
      ctx.fillText(text, Math.min(x, width - half - 3), axisHeight / 2 - 1);
    }
  }

  // ---- whole run in one strip ------------------------------------------------------------------------------------
  let density = null;
  function countDensity() {
    const buckets = Math.max(50, Math.floor(width - gutter - rightPad));
    const counts = [new Uint32Array(buckets), new Uint32Array(buckets), new Uint32Array(buckets), new Uint32Array(buckets)];
    for (const lane of data.clients) for (const op of lane.operations) {
      counts[op[3]][Math.min(buckets - 1, Math.floor((op[1] / endMs) * buckets))]++;
    }
    let most = 1;
    for (let b = 0; b < buckets; b++) most = Math.max(most, counts[0][b] + counts[1][b] + counts[2][b] + counts[3][b]);
    density = { buckets, counts, most };
  }
  function drawOverview() {
    const ctx = prepare(overview, overviewHeight);
    const inner = width - gutter - rightPad, at = (ms) => gutter + (ms / endMs) * inner;
    ctx.fillStyle = colours.quiet;
    ctx.textAlign = "left";
    ctx.fillText("whole run", 12, overviewHeight / 2 - 7);
    ctx.fillText("calls, faults", 12, overviewHeight / 2 + 8);
    ctx.fillStyle = colours.panel;
    ctx.fillRect(gutter, 3, inner, overviewHeight - 6);
    const tones = outcomeColours();
    for (let b = 0; b < density.buckets; b++) {
      let y = overviewHeight - 3;
      const x = gutter + (b / density.buckets) * inner;
      for (const outcome of [0, 1, 2, 3]) {
        const n = density.counts[outcome][b];
        if (n === 0) continue;
        const h = Math.max(1, (n / density.most) * (overviewHeight - 8));
        ctx.fillStyle = tones[outcome];
        ctx.fillRect(x, y - h, Math.max(1, inner / density.buckets), h);
        y -= h;
      }
    }
    for (const fault of data.faults) {
      ctx.fillStyle = fault.result === "done" ? colours.fault : colours.quiet;
      ctx.fillRect(at(fault.atMs), 3, 1.5, overviewHeight - 6);
    }
    ctx.fillStyle = colours.ground;
    ctx.globalAlpha = 0.72;
    ctx.fillRect(gutter, 3, at(fromMs) - gutter, overviewHeight - 6);
    ctx.fillRect(at(toMs), 3, gutter + inner - at(toMs), overviewHeight - 6);
    ctx.globalAlpha = 1;
    ctx.strokeStyle = colours.link;
    ctx.lineWidth = 1.5;
    ctx.strokeRect(at(fromMs), 3, Math.max(2, at(toMs) - at(fromMs)), overviewHeight - 6);
  }

  // ---- lanes -----------------------------------------------------------------------------------------------------
  function hatch(ctx, x, y, w, h, colour) {
    ctx.save();
    ctx.beginPath(); ctx.rect(x, y, w, h); ctx.clip();
    ctx.strokeStyle = colour; ctx.lineWidth = 1; ctx.globalAlpha = 0.45;
    ctx.beginPath();
    for (let s = Math.floor((x - h) / 6) * 6; s < x + w; s += 6) { ctx.moveTo(s, y + h); ctx.lineTo(s + h, y); }
    ctx.stroke();
    ctx.restore();
  }
  function fitText(ctx, text, room) {
    if (room < 14) return "";
    if (ctx.measureText(text).width <= room) return text;
    let n = text.length;
    while (n > 1 && ctx.measureText(text.slice(0, n) + "…").width > room) n = Math.floor(n * 0.8);
    return n <= 1 ? "" : text.slice(0, n) + "…";
  }
  // First row of a lane whose end is not before ms; rows of a lane do not overlap.
  function firstNotBefore(list, ms, endField) {
    let low = 0, high = list.length;
    while (low < high) { const mid = (low + high) >> 1; if (list[mid][endField] < ms) low = mid + 1; else high = mid; }
    return low;
  }
  const phaseWords = { safety: "safety: faults happen", liveness: "liveness: progress is owed", final: "final reads" };

  function drawLanes() {
    const height = buildRows();
    const ctx = prepare(lanes, height);
    const inner = width - gutter - rightPad;
    // phases as tinted columns
    data.phases.forEach((phase, n) => {
      const x = clampX(xOf(phase.atMs)), w = clampX(xOf(phaseEnd(n))) - x;
      if (w <= 0) return;
      if (n % 2 === 0) { ctx.fillStyle = colours.panel; ctx.fillRect(x, 0, w, height); }
    });
    ctx.fillStyle = colours.line;
    for (const ms of ticks().list) ctx.fillRect(xOf(ms), 0, 1, height);
    for (const fault of data.faults) {
      const x = xOf(fault.atMs);
      if (x < gutter || x > width - rightPad) continue;
      ctx.strokeStyle = fault.result === "done" ? colours.fault : colours.quiet;
      ctx.globalAlpha = 0.45; ctx.lineWidth = 1; ctx.setLineDash([3, 4]);
      ctx.beginPath(); ctx.moveTo(x, 18); ctx.lineTo(x, height); ctx.stroke();
      ctx.setLineDash([]); ctx.globalAlpha = 1;
    }
    ctx.save();
    ctx.beginPath(); ctx.rect(gutter - 2, 0, inner + 4, height); ctx.clip();
    for (const row of rows) {
      if (row.kind === "phases") drawPhases(ctx, row);
      else if (row.kind === "faults") drawFaults(ctx, row);
      else if (row.kind === "member") drawMember(ctx, row);
      else if (row.kind === "client") drawClient(ctx, row);
      else if (row.kind === "watch") drawWatches(ctx, row);
    }
    ctx.restore();
    for (const row of rows) {
      ctx.textAlign = "left";
      if (row.kind === "title") {
        ctx.fillStyle = colours.quiet; ctx.font = "600 11px system-ui, sans-serif";
        ctx.fillText(row.label.toUpperCase(), 12, row.top + row.height / 2);
        ctx.font = "12px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
      } else if (row.height >= 12) {
        ctx.fillStyle = colours.text;
        ctx.fillText(fitText(ctx, row.label, gutter - 24), 12, row.top + row.height / 2);
      }
    }
    ctx.fillStyle = colours.line;
    ctx.fillRect(gutter - 3, 0, 1, height);
  }

  const phaseEnd = (n) => (n + 1 < data.phases.length ? data.phases[n + 1].atMs : endMs);
  function drawPhases(ctx, row) {
    data.phases.forEach((phase, n) => {
      const x = clampX(xOf(phase.atMs)), w = clampX(xOf(phaseEnd(n))) - x;
      if (w <= 0) return;
      ctx.fillStyle = colours.line;
      ctx.fillRect(x, row.top + 2, 1.5, row.height - 4);
      const label = fitText(ctx, phaseWords[phase.phase] || phase.phase, w - 10);
      if (label) { ctx.fillStyle = colours.quiet; ctx.textAlign = "left"; ctx.fillText(label, x + 6, row.top + row.height / 2); }
    });
  }

  function drawFaults(ctx, row) {
    const middle = row.top + row.height / 2;
    let labelEnd = -1e9;
    const shown = data.faults.filter((f) => f.atMs >= fromMs && f.atMs <= toMs);
    shown.forEach((fault, n) => {
      const x = xOf(fault.atMs), done = fault.result === "done";
      ctx.beginPath(); ctx.moveTo(x, middle - 6); ctx.lineTo(x + 6, middle); ctx.lineTo(x, middle + 6); ctx.lineTo(x - 6, middle); ctx.closePath();
      if (done) { ctx.fillStyle = colours.fault; ctx.fill(); } else { ctx.strokeStyle = colours.quiet; ctx.lineWidth = 1.2; ctx.stroke(); }
      const next = n + 1 < shown.length ? xOf(shown[n + 1].atMs) - 10 : width - rightPad;
      const text = fault.fault + (fault.members.length ? " " + fault.members.join(",") : "") + (done ? "" : " (skipped)");
      const label = fitText(ctx, text, next - x - 10);
      if (label && x + 9 > labelEnd) {
        ctx.fillStyle = done ? colours.text : colours.quiet; ctx.textAlign = "left";
        ctx.fillText(label, x + 9, middle);
        labelEnd = x + 9 + ctx.measureText(label).width + 8;
      }
    });
  }

  function drawMember(ctx, row) {
    const tones = stateColours(), y = row.top + 3, h = row.height - 6;
    const spans = row.lane.spans;
    for (let n = firstNotBefore(spans.map((s) => [0, 0, s.toMs]), fromMs, 2); n < spans.length && spans[n].fromMs <= toMs; n++) {
      const span = spans[n], x = clampX(xOf(span.fromMs)), w = Math.max(1, clampX(xOf(span.toMs)) - x);
      ctx.fillStyle = tones[span.state] || colours.unseen;
      ctx.fillRect(x, y, w, h);
      if (span.state === "down") hatch(ctx, x, y, w, h, "#ffffff");
      if (w > 3) { ctx.fillStyle = colours.ground; ctx.fillRect(x + w - 1, y, 1, h); }
      const words = span.state === "unseen" ? "" : (span.state === "preCandidate" ? "pre-candidate" : span.state) + (span.term > 0 && span.state !== "down" ? " · term " + span.term : "");
      const label = fitText(ctx, words, w - 12);
      if (label) {
        ctx.fillStyle = span.state === "down" || span.state === "leader" || span.state === "paused" ? "#ffffff" : span.state === "candidate" || span.state === "preCandidate" ? "#2b2000" : colours.laneText;
        ctx.textAlign = "left"; ctx.fillText(label, x + 6, row.top + row.height / 2);
      }
    }
  }

  const isSelected = (kind, id) => selection !== null && selection.kind === kind && selection.row[0] === id;
  function drawClient(ctx, row) {
    const tones = outcomeColours(), list = row.lane.operations, y = row.top + 2, h = Math.max(3, row.height - 5);
    let columnX = -1, columnOutcome = -1;
    const flush = () => { if (columnX >= 0) { ctx.fillStyle = tones[columnOutcome]; ctx.fillRect(columnX, y, 1, h); } columnX = -1; columnOutcome = -1; };
    const marked = [];
    for (let n = firstNotBefore(list, fromMs, 2); n < list.length && list[n][1] <= toMs; n++) {
      const op = list[n], x = clampX(xOf(op[1])), w = clampX(xOf(op[2])) - x;
      if (op[8] || isSelected("call", op[0])) marked.push(op);
      const dim = matches !== null && !matches.has(op[0]);
      if (w < 1.5 && !dim && matches === null) {
        const column = Math.floor(x);
        if (column !== columnX) { flush(); columnX = column; }
        if (op[3] > columnOutcome) columnOutcome = op[3];
        continue;
      }
      flush();
      ctx.globalAlpha = dim ? 0.13 : 1;
      ctx.fillStyle = tones[op[3]];
      ctx.fillRect(x, y, Math.max(1.5, w - (w > 4 ? 1 : 0)), h);
      if (op[3] >= 2 && w > 6) hatch(ctx, x, y, w - 1, h, "#000000");
      const label = h >= 12 && w > 40 && !dim ? fitText(ctx, op[6], w - 8) : "";
      if (label) { ctx.fillStyle = op[3] === 0 ? "#ffffff" : "#1b1400"; ctx.textAlign = "left"; ctx.font = "11px system-ui, sans-serif"; ctx.fillText(label, x + 4, y + h / 2 + 0.5); ctx.font = "12px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"; }
      ctx.globalAlpha = 1;
    }
    flush();
    for (const op of marked) {
      const x = clampX(xOf(op[1])), w = Math.max(4, clampX(xOf(op[2])) - x), chosen = isSelected("call", op[0]);
      if (op[8]) {
        ctx.fillStyle = colours.evidence;
        ctx.beginPath(); ctx.moveTo(x + w / 2 - 4, y - 4); ctx.lineTo(x + w / 2 + 4, y - 4); ctx.lineTo(x + w / 2, y + 2); ctx.closePath(); ctx.fill();
      }
      ctx.strokeStyle = chosen ? colours.text : colours.evidence; ctx.lineWidth = chosen ? 2.5 : 2;
      ctx.strokeRect(x - 1, y - 1, w + 2, h + 2);
    }
  }

  function drawWatches(ctx, row) {
    const y = row.top + row.height / 2;
    for (let n = firstNotBefore(row.lane.watches, fromMs, 2); n < row.lane.watches.length && row.lane.watches[n][1] <= toMs; n++) {
      const watch = row.lane.watches[n], x = clampX(xOf(watch[1])), end = clampX(xOf(watch[2]));
      const chosen = isSelected("watch", watch[0]);
      ctx.fillStyle = watch[7] ? colours.evidence : colours.progress;
      ctx.fillRect(x, y - (chosen ? 2 : 1), Math.max(1, end - x), chosen ? 4 : watch[7] ? 3 : 2);
      ctx.fillRect(x, y - 5, 1.5, 10);
      ctx.fillRect(end - 1.5, y - 5, 1.5, 10);
      const marks = watch[8];
      let low = 0, high = marks.length;
      while (low < high) { const mid = (low + high) >> 1; if (marks[mid][0] < fromMs) low = mid + 1; else high = mid; }
      let last = -10;
      for (let m = low; m < marks.length && marks[m][0] <= toMs; m++) {
        const mx = xOf(marks[m][0]), kind = marks[m][1];
        if (kind < 2 && mx - last < 1.5) continue;
        last = mx;
        if (kind === 3) { ctx.strokeStyle = colours.fault; ctx.lineWidth = 2; ctx.beginPath(); ctx.moveTo(mx - 4, y - 4); ctx.lineTo(mx + 4, y + 4); ctx.moveTo(mx + 4, y - 4); ctx.lineTo(mx - 4, y + 4); ctx.stroke(); continue; }
        if (kind === 2) continue;
        ctx.fillStyle = kind === 0 ? colours.reply : colours.ground;
        ctx.strokeStyle = colours.reply; ctx.lineWidth = 1;
        ctx.beginPath(); ctx.arc(mx, y, kind === 0 ? 3.2 : 2.6, 0, 7); ctx.fill(); if (kind === 1) ctx.stroke();
      }
    }
  }

  let waiting = false;
  function redraw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; drawAxis(); drawOverview(); drawLanes(); });
  }
  function show(from, to) {
    const least = Math.min(endMs, Math.max(endMs / 2e6, 0.5));
    let span = Math.min(endMs, Math.max(least, to - from));
    fromMs = Math.max(0, Math.min(endMs - span, from));
    toMs = fromMs + span;
    redraw();
  }
  function zoom(factor, aroundMs) {
    const span = (toMs - fromMs) * factor, share = (aroundMs - fromMs) / (toMs - fromMs);
    show(aroundMs - span * share, aroundMs + span * (1 - share));
  }

  // ---- what is under the pointer -----------------------------------------------------------------------------------
  function hit(x, y) {
    const row = rows.find((r) => y >= r.top && y < r.top + r.height && r.kind !== "title" && r.kind !== "phases");
    if (!row || x < gutter - 2) return null;
    const ms = msOf(x), slack = ((toMs - fromMs) / (width - gutter)) * 4;
    if (row.kind === "faults") {
      let best = null;
      for (const fault of data.faults) if (Math.abs(fault.atMs - ms) <= slack * 2 && (best === null || Math.abs(fault.atMs - ms) < Math.abs(best.atMs - ms))) best = fault;
      return best && { kind: "fault", row: best };
    }
    if (row.kind === "member") {
      const span = row.lane.spans.find((s) => ms >= s.fromMs && ms < s.toMs);
      return span && { kind: "member", name: row.lane.name, row: span };
    }
    const list = row.kind === "client" ? row.lane.operations : row.lane.watches;
    let best = null, bestDistance = slack;
    for (let n = Math.max(0, firstNotBefore(list, ms - slack, 2) - 1); n < list.length && list[n][1] <= ms + slack; n++) {
      const distance = ms < list[n][1] ? list[n][1] - ms : ms > list[n][2] ? ms - list[n][2] : 0;
      if (distance <= bestDistance && (distance < bestDistance || best === null || list[n][8] === 1)) { best = list[n]; bestDistance = distance; }
    }
    if (best === null) return null;
    if (row.kind === "client") return { kind: "call", row: best };
    let mark = null;
    for (const m of best[8]) if (Math.abs(m[0] - ms) <= slack && (mark === null || Math.abs(m[0] - ms) < Math.abs(mark[0] - ms))) mark = m;
    return { kind: "watch", row: best, mark };
  }
  function lines(found) {
    const row = found.row;
    if (found.kind === "fault") return [["b", row.fault + (row.members.length ? " " + row.members.join(", ") : "")], ["quiet", "at " + exactTime(row.atMs) + " · " + row.result], ["", row.detail]];
    if (found.kind === "member") return [["b", found.name + ": " + row.state + (row.term ? ", term " + row.term : "")], ["quiet", exactTime(row.fromMs) + " – " + exactTime(row.toMs)]];
    if (found.kind === "watch") return [["b", "watch " + row[0]], ["", row[5]], ["quiet", "client " + row[3] + " at member " + row[4] + " · " + exactTime(row[1]) + " – " + exactTime(row[2]) + " · " + row[6]]].concat(found.mark ? [["", exactTime(found.mark[0]) + ": " + found.mark[2]]] : []).concat(row[7] ? [["b", "evidence of a violation"]] : []);
    return [["b", "call " + row[0] + ": " + row[6]], ["", "→ " + row[7]], ["quiet", outcomeWords[row[3]] + " · client " + row[4] + " at member " + row[5] + " · " + exactTime(row[1]) + " – " + exactTime(row[2]) + " (" + (row[2] - row[1]).toFixed(1) + " ms)"]].concat(row[8] ? [["b", "evidence of a violation"]] : []);
  }
  function fill(element, found) {
    element.replaceChildren(...lines(found).filter((l) => l[1]).map(([kind, text]) => {
      const line = document.createElement("div");
      const inner = kind === "b" ? document.createElement("b") : line;
      inner.textContent = text;
      if (inner !== line) line.append(inner);
      if (kind === "quiet") line.className = "quiet";
      return line;
    }));
  }
  function pick(found) {
    selection = found;
    if (found) fill(picked, found);
    else picked.textContent = "Click an operation, watch, member or fault to keep its details here.";
    redraw();
  }

  // ---- pointer and keys ------------------------------------------------------------------------------------------
  let drag = null;
  lanes.addEventListener("pointerdown", (e) => { drag = { x: e.clientX, fromMs, moved: false }; lanes.setPointerCapture(e.pointerId); });
  lanes.addEventListener("pointermove", (e) => {
    if (drag) {
      const by = e.clientX - drag.x;
      if (Math.abs(by) > 3) { drag.moved = true; lanes.classList.add("dragging"); tip.style.display = "none"; }
      if (drag.moved) { const span = toMs - fromMs; const from = drag.fromMs - (by / (width - gutter - rightPad)) * span; show(from, from + span); }
      return;
    }
    const box = lanes.getBoundingClientRect(), found = hit(e.clientX - box.left, e.clientY - box.top);
    if (!found) { tip.style.display = "none"; return; }
    fill(tip, found);
    tip.style.display = "block";
    const room = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(e.clientX + 14, innerWidth - room.width - 8)) + "px";
    tip.style.top = (e.clientY + 18 + room.height > innerHeight ? e.clientY - room.height - 12 : e.clientY + 18) + "px";
  });
  lanes.addEventListener("pointerup", (e) => {
    const moved = drag && drag.moved;
    drag = null; lanes.classList.remove("dragging");
    if (moved) return;
    const box = lanes.getBoundingClientRect();
    pick(hit(e.clientX - box.left, e.clientY - box.top));
  });
  lanes.addEventListener("pointerleave", () => { tip.style.display = "none"; });
  lanes.addEventListener("dblclick", (e) => zoom(0.35, msOf(e.clientX - lanes.getBoundingClientRect().left)));
  lanes.addEventListener("wheel", (e) => {
    if (e.ctrlKey || e.metaKey) { e.preventDefault(); zoom(Math.exp(e.deltaY * 0.004), msOf(e.clientX - lanes.getBoundingClientRect().left)); }
    else if (Math.abs(e.deltaX) > Math.abs(e.deltaY) || e.shiftKey) {
      e.preventDefault();
      const by = ((e.deltaX || e.deltaY) / (width - gutter)) * (toMs - fromMs);
      show(fromMs + by, toMs + by);
    }
  }, { passive: false });
  let brush = null;
  const overviewMs = (e) => Math.max(0, Math.min(endMs, ((e.clientX - overview.getBoundingClientRect().left - gutter) / (width - gutter - rightPad)) * endMs));
  overview.addEventListener("pointerdown", (e) => { brush = overviewMs(e); overview.setPointerCapture(e.pointerId); });
  overview.addEventListener("pointermove", (e) => { if (brush !== null) { const to = overviewMs(e); if (Math.abs(to - brush) > endMs / 400) show(Math.min(brush, to), Math.max(brush, to)); } });
  overview.addEventListener("pointerup", (e) => { const to = overviewMs(e); if (brush !== null && Math.abs(to - brush) <= endMs / 400) { const span = toMs - fromMs; show(to - span / 2, to + span / 2); } brush = null; });
  document.getElementById("zoom-in").addEventListener("click", () => zoom(0.5, (fromMs + toMs) / 2));
  document.getElementById("zoom-out").addEventListener("click", () => zoom(2, (fromMs + toMs) / 2));
  document.getElementById("zoom-all").addEventListener("click", () => show(0, endMs));
  onlyEvidence.addEventListener("change", redraw);
  search.addEventListener("input", () => {
    const wanted = search.value;
    matches = null;
    if (wanted !== "") {
      matches = new Set();
      for (const lane of data.clients) for (const op of lane.operations) if (op[6].includes(wanted) || op[7].includes(wanted) || String(op[0]) === wanted) matches.add(op[0]);
    }
    document.getElementById("search-count").textContent = matches === null ? "" : matches.size + " match";
    redraw();
  });
  document.addEventListener("keydown", (e) => {
    if (e.target instanceof HTMLInputElement) return;
    const span = toMs - fromMs;
    if (e.key === "ArrowLeft") show(fromMs - span / 5, toMs - span / 5);
    else if (e.key === "ArrowRight") show(fromMs + span / 5, toMs + span / 5);
    else if (e.key === "+" || e.key === "=") zoom(0.5, (fromMs + toMs) / 2);
    else if (e.key === "-") zoom(2, (fromMs + toMs) / 2);
    else if (e.key === "0") show(0, endMs);
    else if (e.key === "Escape") pick(null);
    else return;
    e.preventDefault();
  });

  // ---- links to one operation or watch -----------------------------------------------------------------------------
  function follow() {
    const wanted = /^#(call|watch)-(\d+)$/.exec(location.hash);
    if (!wanted) return;
    const kind = wanted[1], id = Number(wanted[2]);
    const list = kind === "call" ? data.clients.flatMap((lane) => lane.operations) : data.watches.flatMap((lane) => lane.watches);
    const row = list.find((entry) => entry[0] === id);
    if (!row) return;
    const pad = Math.max((Math.min(row[2], row[1] + endMs / 4) - row[1]) * 2, endMs / 200, 5);
    show(row[1] - pad, Math.min(row[2], row[1] + endMs / 4) + pad);
    if (kind === "call" && onlyEvidence.checked && !row[8]) onlyEvidence.checked = false;
    pick({ kind, row });
    document.getElementById("time").scrollIntoView({ block: "start" });
  }
  addEventListener("hashchange", follow);
  document.querySelectorAll("a[data-follow]").forEach((a) => a.addEventListener("click", () => { if (location.hash === a.getAttribute("href")) follow(); }));

  function resize() {
    width = Math.max(480, lanes.parentElement.clientWidth);
    countDensity();
    redraw();
  }
  readColours();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); redraw(); });
  addEventListener("resize", resize);
  pick(null);
  resize();
  follow();
  document.documentElement.dataset.ready = "true";
})().catch((error) => {
  const place = document.getElementById("picked");
  place.textContent = "The lanes cannot be drawn in this browser: " + error.message + ". The verdicts and tables of this page are complete without them.";
});
`;
