// The officer's page: shows each view the appliance sends, whole. Texts come
// ready from there; this file only places them.
"use strict";

const $ = (selector, root = document) => root.querySelector(selector);

// make builds an element; children are elements or text, never markup.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((c) => c !== undefined && c !== null && c !== ""));
  return element;
}

function icon(name, mark) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", "#i-" + name);
  svg.setAttribute("aria-hidden", "true");
  if (mark) svg.dataset.mark = mark;
  svg.append(use);
  return svg;
}

// put sets text and hides what has none.
function put(element, text, holder = element) {
  if (element.textContent !== (text || "")) element.textContent = text || "";
  holder.hidden = !text;
}

const language = document.documentElement.lang;
const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const calendar = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });
const when = (at, format) => make("time", { datetime: at }, format.format(new Date(at)));

const iconOfState = { waiting: "not_present", running: "running", passed: "passed", attention: "inconclusive", failed: "failed" };
const iconOfDevice = { ready: "passed", starting: "running", degraded: "inconclusive", lost: "failed", off: "not_performed" };

let shown = { id: "", outcome: "" };

function show(view) {
  document.body.dataset.phase = view.phase;
  $("#watched").hidden = !view.watched;
  showLine(view.groups);
  showOutcome(view);
  showFaces(view);
  showChecks(view);
  showDocument(view);
  showSlip(view.record);
  showDevices(view.devices);
  showSession(view.session);
  const decide = $("#decide");
  if (decide) {
    if (decide.hidden === view.may_decide || decide.dataset.of !== (view.id || "")) resetDecision(decide, view.id || "");
    decide.hidden = !view.may_decide;
  }
}

function showLine(groups) {
  $("#line").replaceChildren(...groups.map((g) => {
    const mark = { passed: "ready", failed: "lost", attention: "degraded" }[g.state];
    return make("li", { "data-state": g.state }, icon(iconOfState[g.state], mark), g.title, make("span", { class: "unseen" }, g.says));
  }));
}

function showOutcome(view) {
  const outcome = view.outcome;
  const section = $("#outcome"), word = $("#word"), says = $("#says");
  if (outcome) section.dataset.outcome = outcome.code;
  else delete section.dataset.outcome;
  $("#shape").setAttribute("href", "#i-" + (outcome ? outcome.code : view.phase));
  put(word, outcome ? outcome.word : word.dataset[view.phase]);
  put(says, outcome ? outcome.main.says : view.phase === "running" ? view.step || says.dataset.running : says.dataset.idle);
  put($("#guidance span:last-child"), view.guidance && view.guidance.says, $("#guidance"));
  put($("#next span:last-child"), outcome && outcome.main.next, $("#next"));
  put($("#by"), outcome && outcome.by);
  put($("#advice dd"), outcome && outcome.advice, $("#advice"));
  put($("#record dd"), view.record && [view.record.text, view.record.took].filter(Boolean).join(" · "), $("#record"));
  const progress = $("#progress");
  progress.hidden = view.progress === undefined;
  if (!progress.hidden) progress.value = view.progress;
  const told = (view.id || "") + (outcome ? outcome.code : view.phase);
  if (shown.outcome !== told) { // said aloud once, not with every check
    shown.outcome = told;
    $("#announce").textContent = outcome ? [outcome.word, outcome.main.says, outcome.main.next, outcome.by].filter(Boolean).join(" ") : word.textContent;
  }
}

function showPicture(tile, address, forgotten) {
  const image = $("img", tile);
  if (address && image && image.getAttribute("src") === address) return;
  if (!address) tile.replaceChildren(make("p", {}, forgotten ? tile.dataset.dropped : tile.dataset.none));
  else tile.replaceChildren(make("img", { src: address, alt: tile.nextElementSibling.textContent }));
}

// showQuality fills the lines of picture quality; whether one is open is the
// officer's own.
function showQuality(quality) {
  for (const line of document.querySelectorAll("#quality details")) {
    const q = (quality || []).find((q) => q.picture === line.dataset.picture);
    line.hidden = !q;
    line.dataset.low = Boolean(q && q.low);
    $("summary", line).textContent = q ? q.says : "";
    $("dl", line).replaceChildren(...(q ? q.components : []).map((c) => make("div", { "data-component": c.code, "data-low": c.low }, make("dt", {}, c.text), make("dd", {}, String(c.value)))));
  }
}

function showFaces(view) {
  const personal = view.personal || {};
  showQuality(personal.quality);
  showPicture($("#portrait"), personal.portrait, view.forgotten);
  showPicture($("#best"), personal.live, view.forgotten);
  const match = personal.match, box = $("#match");
  box.hidden = !match;
  if (!match) {
    $("#model").textContent = "";
    return;
  }
  const figures = $(".figures", box), scale = $(".scale", box);
  const verdict = $(".verdict", box);
  verdict.dataset.enough = scale.dataset.enough = match.enough;
  $("use", verdict).setAttribute("href", match.enough ? "#i-passed" : "#i-failed");
  $("strong", verdict).textContent = match.says;
  figures.textContent = `${figures.dataset.score} ${match.score.toFixed(2)} · ${figures.dataset.threshold} ${match.threshold.toFixed(2)}`;
  const place = (x) => Math.round(Math.min(1, Math.max(0, x)) * 1000);
  $(".fill", scale).setAttribute("width", place(match.score));
  $(".needed", scale).setAttribute("x", Math.min(995, place(match.threshold)));
  const model = $("#model");
  model.textContent = `${model.dataset.judged} ${match.model}` + (match.grade_says ? ` (${match.grade_says})` : "");
}

function sentences(list, reasons) {
  const box = list.parentElement;
  box.hidden = !reasons || reasons.length === 0;
  list.replaceChildren(...(reasons || []).map((r) => make("li", {}, r.says, r.next && make("span", {}, r.next))));
}

function showChecks(view) {
  const outcome = view.outcome || {};
  sentences($("#others ul"), outcome.others);
  sentences($("#notes ul"), outcome.notes);
  $("#groups").replaceChildren(...view.groups.map((g) => {
    const list = make("ul", {}, ...g.checks.map((c) => {
      const row = make("li", { class: "check", "data-status": c.status, "data-check": c.code, "data-subject": c.subject || "" },
        icon(c.status), make("span", {}, c.text), make("span", { class: "status" }, c.says));
      for (const r of c.reasons || []) row.append(make("p", { class: "why" }, c.status === "passed" ? r.says : make("b", {}, r.says), c.status !== "passed" && r.next ? " " + r.next : ""));
      return row;
    }));
    return make("section", { class: "group", "data-group": g.code, "data-state": g.state }, make("h3", {}, g.title, make("span", {}, g.says)), list);
  }));
}

function showDocument(view) {
  const personal = view.personal || {};
  const fields = $("#fields");
  fields.replaceChildren(...(personal.fields || []).map((f) => make("div", { class: f.code }, make("dt", {}, f.label), make("dd", {}, f.value))));
  if (view.forgotten) fields.replaceChildren(make("div", {}, make("dt", {}, fields.dataset.dropped)));
  const earlier = $("#earlier");
  earlier.hidden = $("#earlier-title").hidden = fields.hidden = view.phase === "idle";
  const rows = (personal.earlier || []).map((e) => make("li", {}, icon(e.outcome, e.outcome), make("span", {}, e.place, " · ", when(e.at, calendar)), make("span", { class: "state", "data-mark": e.outcome }, e.word),
    ...(e.remarks || []).map((r) => make("span", { class: "more" }, r))));
  earlier.replaceChildren(...(rows.length ? rows : [make("li", { class: "none" }, view.phase === "finished" && !view.forgotten ? earlier.dataset.none : "–")]));
}

function showSlip(record) {
  const box = $("#slip"), image = $("img", box);
  box.hidden = !(record && record.slip);
  if (box.hidden) {
    image.removeAttribute("src");
    $("pre", box).textContent = "";
    return;
  }
  if (image.getAttribute("src") !== record.slip) image.setAttribute("src", record.slip);
  $("pre", box).textContent = record.slip_text;
}

function showDevices(devices) {
  $("#devices").hidden = devices.length === 0;
  $("#devices ul").replaceChildren(...devices.map((d) => {
    const row = make("li", { "data-device": d.name }, icon(iconOfDevice[d.state] || "not_performed", d.state),
      make("span", {}, d.kind, d.name && make("span", { class: "hint" }, " " + d.name)), make("span", { class: "state", "data-mark": d.state }, d.says));
    const more = [d.detail, d.next].filter(Boolean).join(" ");
    if (more) row.append(make("span", { class: "more" }, more));
    return row;
  }));
}

function showSession(session) {
  const list = $("#session ol");
  const rows = session.map((p) => {
    const row = make("li", {}, icon(p.outcome, p.outcome), make("span", {}, make("span", { class: "state", "data-mark": p.outcome }, p.word), p.index === undefined ? "" : make("span", { class: "hint" }, " #" + p.index)), when(p.at, clock));
    if (p.reason) row.append(make("span", { class: "more" }, p.reason));
    return row;
  });
  list.replaceChildren(...(rows.length ? rows : [make("li", { class: "none" }, list.dataset.none)]));
}

// post sends an object and returns an error to show, or nothing.
async function post(address, body, failed) {
  try {
    const response = await fetch(address, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    if (response.ok) return undefined;
    return (await response.json()).error || failed;
  } catch {
    return failed;
  }
}

function say(form, text, bad) {
  const message = $(".message", form);
  message.textContent = text || "";
  message.classList.toggle("bad", Boolean(bad));
}

function resetDecision(form, id) {
  form.dataset.of = id;
  form.elements.grounds.value = "";
  say(form);
  enableDecision(form);
}

// enableDecision leaves only the button that the chosen grounds belong to.
function enableDecision(form) {
  const chosen = form.elements.grounds.selectedOptions[0];
  for (const button of form.querySelectorAll("button")) button.disabled = !chosen || chosen.dataset.outcome !== button.value;
}

function listenToOfficer(form) {
  form.elements.grounds.addEventListener("change", () => enableDecision(form));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const officer = form.elements.officer.value.trim(), grounds = form.elements.grounds.value;
    if (!officer || !grounds || !event.submitter) return say(form, form.dataset.missing, true);
    for (const button of form.querySelectorAll("button")) button.disabled = true;
    say(form, form.dataset.busy);
    const error = await post("/decide", { inspection: form.dataset.of, outcome: event.submitter.value, officer, grounds }, form.dataset.failed);
    enableDecision(form);
    say(form, error, true);
  });
}

function listenToCAN(form) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const can = form.elements.can.value.trim();
    const error = /^[0-9]{6}$/.test(can) ? await post("/can", { can }, form.dataset.bad) : form.dataset.bad;
    if (!error) form.reset();
    say(form, error || form.dataset.done, error);
  });
}

// blank is what a page shows that has lost the appliance for longer than a
// moment: nothing personal outlives the connection.
const blank = { phase: "idle", groups: [], session: [], devices: [], may_decide: false };

function listen() {
  const events = new EventSource("/events");
  let lost;
  events.onmessage = (event) => {
    clearTimeout(lost);
    lost = undefined;
    $("#lost").hidden = true;
    show(JSON.parse(event.data));
  };
  events.onerror = () => {
    $("#lost").hidden = false;
    lost ??= setTimeout(() => show(blank), 10000);
    if (events.readyState === EventSource.CLOSED) { // the appliance refuses; ask again from the start
      clearTimeout(lost);
      show(blank);
      setTimeout(listen, 5000);
    }
  };
}

if ($("#decide")) listenToOfficer($("#decide"));
if ($("#can")) listenToCAN($("#can"));
listen();
