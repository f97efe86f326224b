"use strict";

const $ = (id) => document.getElementById(id);
const robot = document.body.dataset.robot;

// el makes an element; text only ever becomes text, never markup.
function el(tag, props = {}, ...children) {
  const e = Object.assign(document.createElement(tag), props);
  e.append(...children);
  return e;
}

// call speaks to the simulator. It answers {ok, status, body} and never throws.
async function call(method, path, body) {
  try {
    const r = await fetch(path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await r.text();
    let json = {};
    try { json = JSON.parse(text); } catch { /* an empty or foreign answer */ }
    return { ok: r.ok, status: r.status, body: json };
  } catch {
    return { ok: false, status: 0, body: {} };
  }
}

function reason(body, otherwise) {
  return (body && body.error && body.error.message) || otherwise;
}

function hint(id, text, bad = false) {
  $(id).textContent = text;
  $(id).classList.toggle("bad", bad);
}

function press(group, chosen) {
  for (const b of group.querySelectorAll("button")) b.setAttribute("aria-pressed", String(b === chosen));
}

// clockOf cuts HH:MM:SS out of an instant; all instants are written in +08:00.
const clockOf = (at) => String(at || "").slice(11, 19);

let city = { units: [], doors: [], residents: [], staff: [], groups: [] };
const staffName = new Map();

/* ---------- searchable list ---------- */

// combo turns an input into a list one can search. options() gives
// [{value, label, note}], choose(option) is told what was picked.
function combo(box, options, choose) {
  const input = box.querySelector("input");
  const list = el("ul", { hidden: true, id: input.id + "-list" });
  list.setAttribute("role", "listbox");
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-expanded", "false");
  input.setAttribute("aria-controls", list.id);
  box.append(list);
  let shown = [], at = -1;

  const close = () => { list.hidden = true; input.setAttribute("aria-expanded", "false"); };
  const mark = () => [...list.children].forEach((li, i) => {
    li.setAttribute("aria-selected", String(i === at));
    if (i === at) li.scrollIntoView({ block: "nearest" });
  });
  const pick = (o) => { input.value = o.label; close(); choose(o); };
  const open = (filter) => {
    const words = filter.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const hits = options().filter((o) => {
      const hay = (o.label + " " + o.note + " " + o.value).toLowerCase();
      return words.every((w) => hay.includes(w));
    });
    shown = hits.slice(0, 80);
    at = shown.length ? 0 : -1;
    list.replaceChildren(...shown.map((o) => {
      const li = el("li", {}, o.label, el("small", { textContent: o.note }));
      li.setAttribute("role", "option");
      li.addEventListener("mousedown", (e) => { e.preventDefault(); pick(o); });
      return li;
    }));
    if (hits.length > shown.length) {
      list.append(el("li", { className: "none", textContent: `另有 ${hits.length - shown.length} 项，请继续输入` }));
    }
    if (!hits.length) list.append(el("li", { className: "none", textContent: "没有找到" }));
    mark();
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
  };

  input.addEventListener("focus", () => { input.select(); open(""); });
  input.addEventListener("input", () => open(input.value));
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (e) => {
    if (e.key === "Escape") return close();
    if (list.hidden) return;
    if (e.key === "ArrowDown") at = Math.min(at + 1, shown.length - 1);
    else if (e.key === "ArrowUp") at = Math.max(at - 1, 0);
    else if (e.key === "Enter") { e.preventDefault(); if (shown[at]) pick(shown[at]); return; }
    else return;
    e.preventDefault();
    mark();
  });
}

const maskID = (id) => id.slice(0, 6) + "********" + id.slice(-4);
const people = () => city.residents.map((r) => ({ value: r.id_number, label: r.name, note: maskID(r.id_number), resident: r }));
const doors = () => city.doors.map((d) => ({
  value: d.code, label: d.venue + " · " + d.name, door: d,
  note: d.code + (d.sentinel ? " · 哨点" : "") + (d.status && d.status !== "active" ? " · " + (doorStates[d.status] || d.status) : ""),
}));
const doorStates = { blank: "空白码", pending: "待审", incomplete: "待补全", suspended: "停用", closed: "注销" };

/* ---------- phone ---------- */

const phone = { app: "wechat", person: null, door: null, direction: "in", id: "", seen: 0 };

function readyToScan() { $("scan").disabled = !(phone.person && phone.door); }

function show(screen) {
  $("screen-scan").hidden = screen !== "scan";
  $("screen-prompt").hidden = screen !== "prompt";
  $("screen-inbox").hidden = screen !== "inbox";
  for (const b of document.querySelectorAll(".tabs button")) {
    b.setAttribute("aria-pressed", String(b.dataset.screen === (screen === "inbox" ? "inbox" : "scan")));
  }
}

// phoneOf finds the person's phone, or registers one through the real API.
async function phoneOf(person, app) {
  const q = new URLSearchParams({ app, id_number: person.id_number });
  const have = await call("GET", "/sim/phones?" + q);
  if (have.ok && have.body.phones.length) return { id: have.body.phones.at(-1).id };
  hint("phone-hint", "首次使用，正在登记…");
  const made = await call("POST", "/sim/phones", { app, ...person });
  return made.ok ? { id: made.body.id } : { error: reason(made.body, "登记没有成功") };
}

const colours = { green: "绿码", yellow: "黄码", red: "红码", unknown: "待核验" };

function prompt(p) {
  $("screen-prompt").dataset.color = p.health in colours && p.health !== "unknown" ? p.health : "grey";
  $("prompt-badge").textContent = colours[p.health] || "待核验";
  $("prompt-title").textContent = p.title || "";
  $("prompt-name").textContent = p.name || "";
  $("prompt-at").textContent = clockOf(p.at);
  $("prompt-venue").textContent = p.venue || "";
  $("prompt-door").textContent = p.door || "";
  $("prompt-address").textContent = p.address || "";
  $("prompt-companions").replaceChildren(...(p.companions || []).map((c) =>
    el("li", { textContent: (c.name || "") + " " + (colours[c.health] || "") })));
  $("prompt-advice").replaceChildren(...(p.advice || []).map((a) => el("li", { textContent: a })));
  show("prompt");
}

function failed(message) {
  prompt({ title: message, venue: phone.door.venue, door: phone.door.name });
  $("prompt-badge").textContent = "未完成";
}

async function scan() {
  const { app, person, door, direction } = phone;
  $("scan").disabled = true;
  hint("phone-hint", "正在扫码…");
  const got = await phoneOf(person, app);
  if (got.error) {
    hint("phone-hint", got.error, true);
    return readyToScan();
  }
  if (phone.id !== got.id) { phone.id = got.id; phone.seen = 0; $("inbox").replaceChildren(); }
  const body = { link: door.link };
  if (direction) body.direction = direction;
  const r = await call("POST", `/sim/phones/${got.id}/scans`, body);
  hint("phone-hint", "");
  if (!r.ok) failed(reason(r.body, "网络不可用"));
  else if (r.body.status >= 200 && r.body.status < 300) prompt(r.body.body);
  else failed(reason(r.body.body, "扫码没有成功"));
  readyToScan();
}

function setUpPhone() {
  combo($("person-combo"), people, (o) => { phone.person = o.resident; hint("phone-hint", ""); readyToScan(); });
  combo($("door-combo"), doors, (o) => {
    phone.door = o.door;
    const link = $("door-link");
    if (link) { link.href = o.door.link; link.hidden = false; }
    readyToScan();
  });
  for (const b of document.querySelectorAll(".bar .segments button")) {
    b.addEventListener("click", () => {
      phone.app = b.dataset.app;
      document.querySelector(".frame").dataset.app = phone.app;
      press(b.parentElement, b);
    });
  }
  for (const b of $("direction").querySelectorAll("button")) {
    b.addEventListener("click", () => { phone.direction = b.dataset.value; press($("direction"), b); });
  }
  for (const b of document.querySelectorAll(".tabs button")) {
    b.addEventListener("click", () => { show(b.dataset.screen); if (b.dataset.screen === "inbox") pollInbox(); });
  }
  $("scan").addEventListener("click", scan);
  $("again").addEventListener("click", () => show("scan"));
  $("newcomer-form").addEventListener("submit", async (e) => {
    e.preventDefault();
    const person = Object.fromEntries(new FormData(e.target));
    const made = await call("POST", "/sim/phones", { app: phone.app, ...person });
    if (!made.ok) return hint("phone-hint", reason(made.body, "登记没有成功"), true);
    city.residents.push(person);
    phone.person = person;
    $("person").value = person.name;
    e.target.reset();
    $("newcomer").open = false;
    hint("phone-hint", "登记好了");
    readyToScan();
  });
}

async function pollInbox() {
  if (!phone.id) {
    return $("inbox").replaceChildren(el("li", { className: "none", textContent: "先扫一次码" }));
  }
  const r = await call("GET", `/sim/phones/${phone.id}/messages?after=${phone.seen}`);
  if (!r.ok) return;
  if (phone.seen === 0) $("inbox").replaceChildren();
  for (const m of r.body.messages) {
    phone.seen = m.seq;
    $("inbox").prepend(el("li", {}, el("time", { textContent: clockOf(m.at) }), m.text));
  }
  if (!$("inbox").children.length) {
    $("inbox").append(el("li", { className: "none", textContent: "还没有消息" }));
  }
}

/* ---------- groups and one-to-one ---------- */

const single = "single";
const talk = { open: "", seen: 0, lastOf: new Map(), turn: 0 };
const kindNames = { reply: "回复", reminder: "提醒", onetap: "一键确认", digest: "日报", notice: "通报" };
const phrases = ["上报 326", "确认", "查", "未报", "差异", "撤回", "帮助"];

function talkPath() {
  return talk.open === single
    ? `/sim/chats/${encodeURIComponent($("speaker").value)}/messages`
    : `/sim/groups/${encodeURIComponent(talk.open)}/messages`;
}

function openTalk(id) {
  talk.open = id;
  restartTalk();
  for (const b of $("talk-tabs").children) {
    const on = b.dataset.id === id;
    b.setAttribute("aria-selected", String(on));
    if (on) b.classList.remove("fresh");
  }
  const before = $("speaker").value;
  const speakers = city.staff.filter((s) => id === single || s.group === id);
  const unit = new Map(city.units.map((u) => [u.id, u.name]));
  $("speaker").replaceChildren(...speakers.map((s) =>
    el("option", { value: s.userid, textContent: s.name + (unit.get(s.unit) ? "（" + unit.get(s.unit) + "）" : "") })));
  if (speakers.some((s) => s.userid === before)) $("speaker").value = before;
  $("channel").hidden = id !== single;
  const group = city.groups.find((g) => g.id === id);
  $("talk-name").textContent = group ? group.name : "单聊";
  $("talk-members").textContent = group ? speakers.length + " 位成员与机器人" : "工作人员与平台一对一";
  pollTalk();
}

function restartTalk() {
  talk.seen = 0;
  talk.turn++;
  $("lines").replaceChildren();
}

// words splits a text so that mentions stand out.
function words(text) {
  return text.split(/(<@[\w.@-]+>|@\S+)/).filter(Boolean).map((part) => {
    const tag = part.match(/^<@([\w.@-]+)>$/);
    if (tag) return el("span", { className: "at", textContent: "@" + (staffName.get(tag[1]) || tag[1]) });
    return part.startsWith("@") ? el("span", { className: "at", textContent: part }) : part;
  });
}

function line(m) {
  const isRobot = m.from === "robot";
  const name = isRobot ? robot : staffName.get(m.from) || m.from;
  const li = el("li", { className: "line" + (isRobot ? " robot" : m.from === $("speaker").value ? " mine" : "") });
  li.dataset.kind = m.kind;
  const by = el("span", { className: "by" });
  if (kindNames[m.kind]) by.append(el("b", { textContent: kindNames[m.kind] }));
  by.append(name + " " + clockOf(m.at));
  if (m.channel) by.append(m.channel === "service_account" ? " · 服务号" : " · 企业微信");
  const text = el("span", { className: "text" }, ...words(m.text));
  if (!isRobot && talk.open !== single && !m.text.includes("@" + robot)) {
    text.prepend(el("span", { className: "at", textContent: "@" + robot + " " }));
  }
  const unsaid = (m.mentions || []).filter((u) => !m.text.includes("<@" + u + ">") && !m.text.includes("@" + (staffName.get(u) || u)));
  if (unsaid.length) {
    text.append("\n", el("span", { className: "at", textContent: unsaid.map((u) => "@" + (u === "@all" ? "所有人" : staffName.get(u) || u)).join(" ") }));
  }
  const face = el("span", { className: "face", textContent: isRobot ? "码" : name.slice(0, 1) });
  face.setAttribute("aria-hidden", "true");
  li.append(face, by, text);
  return li;
}

async function pollTalk() {
  if (!talk.open || (talk.open === single && !$("speaker").value)) return;
  const turn = talk.turn;
  const r = await call("GET", talkPath() + "?after=" + talk.seen);
  if (!r.ok || turn !== talk.turn) return;
  const box = $("lines");
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 60;
  for (const m of r.body.messages) {
    if (m.seq <= talk.seen) continue; // two polls may overlap
    talk.seen = m.seq;
    box.append(line(m));
  }
  while (box.children.length > 400) box.firstElementChild.remove();
  if (talk.open !== single) talk.lastOf.set(talk.open, talk.seen);
  if (r.body.messages.length && atEnd) box.scrollTop = box.scrollHeight;
}

// pollOthers marks the tabs of groups in which something was said unseen.
async function pollOthers() {
  for (const g of city.groups) {
    if (g.id === talk.open) continue;
    const r = await call("GET", `/sim/groups/${encodeURIComponent(g.id)}/messages?after=${talk.lastOf.get(g.id) || 0}`);
    if (!r.ok || !r.body.messages.length || g.id === talk.open) continue;
    talk.lastOf.set(g.id, r.body.messages.at(-1).seq);
    for (const b of $("talk-tabs").children) if (b.dataset.id === g.id) b.classList.add("fresh");
  }
}

async function speak(e) {
  e.preventDefault();
  const text = $("words").value.trim(), from = $("speaker").value;
  if (!text || !from) return;
  $("words").value = "";
  hint("talk-hint", "");
  const body = talk.open === single ? { channel: $("channel").value, text } : { from, text };
  const sent = call("POST", talkPath(), body);
  $("lines").scrollTop = $("lines").scrollHeight;
  const r = await sent;
  if (!r.ok) hint("talk-hint", reason(r.body, "消息没有送达"), true);
  await pollTalk();
  $("lines").scrollTop = $("lines").scrollHeight;
}

function setUpTalk() {
  const tabs = [...city.groups, { id: single, name: "单聊" }].map((g) => {
    const b = el("button", { type: "button", textContent: g.name });
    b.dataset.id = g.id;
    b.setAttribute("role", "tab");
    b.addEventListener("click", () => openTalk(g.id));
    return b;
  });
  $("talk-tabs").replaceChildren(...tabs);
  $("quick").replaceChildren(...phrases.map((p) => {
    const b = el("button", { type: "button", textContent: p });
    b.addEventListener("click", () => { $("words").value = p; $("words").focus(); });
    return b;
  }));
  $("composer").addEventListener("submit", speak);
  $("speaker").addEventListener("change", () => { restartTalk(); pollTalk(); });
  openTalk(city.groups.length ? city.groups[0].id : single);
}

/* ---------- control ---------- */

const clock = { now: "", movable: true, moving: false };
const week = ["星期日", "星期一", "星期二", "星期三", "星期四", "星期五", "星期六"];

function pace(speed) {
  if (speed === undefined || speed === null) return "";
  if (speed === 0) return "时钟停着，等人拨动";
  if (speed === 1) return "真实时钟，不能拨动";
  return `每秒走 ${speed} 秒`;
}

function showClock() {
  const day = clock.now.slice(0, 10);
  $("clock-time").textContent = clockOf(clock.now);
  $("phone-time").textContent = clockOf(clock.now).slice(0, 5);
  $("clock-day").textContent = [day, week[new Date(day + "T00:00:00Z").getUTCDay()], pace(clock.speed)].filter(Boolean).join(" · ");
  for (const b of $("clock-buttons").children) {
    b.disabled = !clock.movable || clock.moving || (b.dataset.to !== undefined && clock.now.slice(11, 16) >= b.dataset.to);
  }
}

async function pollClock() {
  const r = await call("GET", "/sim/clock");
  $("lost").hidden = r.ok;
  if (!r.ok) return;
  Object.assign(clock, r.body);
  showClock();
}

async function move(body) {
  clock.moving = true;
  showClock();
  hint("clock-hint", "正在拨动，到点的任务依次执行…");
  const r = await call("POST", "/sim/clock", body);
  clock.moving = false;
  if (r.ok) {
    clock.now = r.body.now;
    hint("clock-hint", `执行了 ${r.body.ran} 项任务` + (r.body.deferred ? `，${r.body.deferred} 项稍后重试` : ""));
  } else {
    hint("clock-hint", reason(r.body, "没有拨动"), true);
  }
  showClock();
}

const services = { health: "健康码", wechat: "微信", alipay: "支付宝", wecom: "企业微信" };
const modes = {
  none: "正常", refuse: "拒绝连接", hang: "不应答", slow: "慢 2 秒", 500: "返回 500",
  garbage: "返回乱码", wrongperson: "答成别人", ratelimit: "限流",
};
const modeOrder = ["none", "refuse", "hang", "slow", "500", "garbage", "wrongperson", "ratelimit"];

async function pollFaults() {
  const r = await call("GET", "/sim/faults");
  if (!r.ok) return;
  for (const [name, mode] of Object.entries(r.body.faults)) {
    const s = $("fault-" + name);
    if (s && document.activeElement !== s) s.value = mode;
    if (s) s.classList.toggle("on", mode !== "none");
  }
}

function setUpControl() {
  for (const b of $("clock-buttons").children) {
    b.addEventListener("click", () => move(b.dataset.advance
      ? { advance: b.dataset.advance }
      : { now: `${clock.now.slice(0, 10)}T${b.dataset.to}:00.000+08:00` }));
  }

  let chosen = null;
  combo($("colour-combo"), people, (o) => {
    chosen = o.resident;
    for (const b of $("colours").children) b.disabled = false;
  });
  for (const b of $("colours").children) {
    b.addEventListener("click", async () => {
      const r = await call("PUT", "/sim/health/" + encodeURIComponent(chosen.id_number), { color: b.dataset.color });
      hint("colour-hint", r.ok ? `${chosen.name} 现在是${colours[b.dataset.color]}` : reason(r.body, "没有设置成功"), !r.ok);
    });
  }

  for (const [name, label] of Object.entries(services)) {
    const s = el("select", { id: "fault-" + name }, ...modeOrder.map((m) => el("option", { value: m, textContent: modes[m] })));
    s.addEventListener("change", async () => {
      const r = await call("PUT", "/sim/faults/" + name, { mode: s.value });
      hint("fault-hint", r.ok ? "" : reason(r.body, "没有设置成功"), !r.ok);
      s.classList.toggle("on", s.value !== "none");
    });
    $("faults").append(el("label", { htmlFor: s.id, textContent: label }), s);
  }
  $("expire").addEventListener("click", async () => {
    const r = await call("POST", "/sim/tokens/expire", { app: $("expire-app").value });
    hint("fault-hint", r.ok ? "已失效，下次调用时平台应重新获取" : reason(r.body, "没有设置成功"), !r.ok);
  });
}

/* ---------- start ---------- */

for (const b of document.querySelectorAll(".views button")) {
  b.addEventListener("click", () => {
    document.body.dataset.view = b.dataset.go;
    press(b.parentElement, b);
    $("lines").scrollTop = $("lines").scrollHeight;
  });
}

let beat = 0;
async function tick() {
  if (!document.hidden) {
    await Promise.all([
      pollClock(),
      pollTalk(),
      $("screen-inbox").hidden ? null : pollInbox(),
      beat % 4 === 0 ? pollOthers() : null,
      beat % 4 === 2 ? pollFaults() : null,
    ]);
    beat++;
  }
  setTimeout(tick, 1000);
}

async function start() {
  const r = await call("GET", "/sim/city");
  if (!r.ok) {
    $("lost").hidden = false;
    return setTimeout(start, 1000);
  }
  city = r.body;
  for (const s of city.staff) staffName.set(s.userid, s.name);
  setUpTalk();
  pollFaults();
  tick();
}

setUpPhone();
setUpControl();
start();
