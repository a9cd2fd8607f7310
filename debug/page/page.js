"use strict";
// The page of package debug. It shows what the stream "events" says and draws the last minutes.

const longest = 600; // seconds that are remembered
const hole = 2000; // ms without a frame after which nothing is drawn in between
const colors = 8; // flows that have one of their own

const byId = id => document.getElementById(id);
const cards = new Map(); // by the scheduler's name
let range = 120; // seconds that are shown
let controls = false;

// ---- words ----

const number = n => n.toLocaleString("en");

// brief writes a large number in three digits, where there is little room.
const brief = n => n < 1e4 ? number(n) : n.toLocaleString("en", {notation: "compact", maximumSignificantDigits: 3});

// about writes seconds in three digits or so.
function about(s) {
	if (s === undefined || s === null) return "–";
	if (s <= 0) return "0 s";
	if (s < 0.001) return "< 1 ms";
	if (s < 1) return `${Math.round(s * 1000)} ms`;
	if (s < 100) return `${s.toFixed(s < 10 ? 1 : 0)} s`;
	if (s < 6000) return `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`;
	return `${Math.floor(s / 3600)} h ${Math.round(s / 60) % 60} min`;
}

// say changes a text only if it is another, so that readers of the screen stay calm.
function say(element, text) {
	if (element.textContent !== text) element.textContent = text;
}

// ---- cards ----

class Card {
	constructor(name) {
		this.name = name;
		this.frames = []; // {at, waiting, held, granted, refused, paused, limits, windows, flows}
		this.hues = new Map(); // colours of flows
		this.element = byId("card").content.firstElementChild.cloneNode(true);
		this.element.dataset.scheduler = name;
		this.part("h2").textContent = name;
		this.part(".record").href = `timeline.svg?seconds=10&scheduler=${encodeURIComponent(name)}`;
		this.part(".record").target = "_blank";
		this.canvas = this.part("canvas");
		this.form = this.part("form");
		this.form.addEventListener("submit", e => { e.preventDefault(); this.order("limits", {limits: this.form.elements.limits.value}); });
		for (const button of this.form.querySelectorAll("button[type=button]")) {
			button.addEventListener("click", () => {
				if (button.dataset.order === "pauseFor") this.order("pause", {seconds: Number(this.form.elements.seconds.value)});
				else this.order(button.dataset.order, {});
			});
		}
		byId("schedulers").append(this.element);
	}

	part(selector) { return this.element.querySelector(selector); }

	// order asks the server to do what a button says.
	async order(what, order) {
		const output = this.part("output");
		try {
			const answer = await fetch(what, {
				method: "POST",
				headers: {"Content-Type": "application/json"},
				body: JSON.stringify({scheduler: this.name, ...order}),
			});
			const body = await answer.json();
			output.classList.toggle("wrong", !answer.ok);
			output.textContent = answer.ok ? `done: ${what}` : body.error;
			if (answer.ok && what === "limits") this.form.elements.limits.blur();
		} catch (err) {
			output.classList.add("wrong");
			output.textContent = `the server does not answer: ${err.message}`;
		}
	}

	// hue returns the colour of a flow, which it keeps.
	hue(key) {
		if (!this.hues.has(key)) this.hues.set(key, this.hues.size < colors ? `--flow${this.hues.size}` : "--other");
		return this.hues.get(key);
	}

	show(at, state) {
		const {stats, seen} = state;
		this.state = state;
		// In the order of their colours, so that nothing jumps from frame to frame.
		for (const flow of seen.flows) this.hue(flow.key);
		seen.flows.sort((a, b) => this.hue(a.key).localeCompare(this.hue(b.key)) || a.key.localeCompare(b.key));
		this.frames.push({
			at, waiting: stats.waiting, held: stats.in_use, granted: stats.granted, refused: seen.refused,
			paused: stats.paused, limits: state.limits, burst: state.max_burst, more: seen.more_flows,
			windows: stats.windows.map(w => ({name: w.window, used: w.used, limit: parseInt(w.window, 10)})),
			flows: seen.flows.map(f => ({hue: this.hue(f.key), key: f.key, waiting: f.waiting, granted: f.granted})),
		});
		while (this.frames[0].at < at - longest * 1000) this.frames.shift();
		this.words();
		this.meters();
		this.flows();
	}

	words() {
		const {stats, seen} = this.state;
		const now = Date.parse(this.state.at);
		const badge = this.part(".badge");
		let status = "running";
		if (this.state.closed || !this.state.open) status = "closed";
		else if (stats.paused) status = "paused";
		else if (stats.quota && stats.quota.error) status = "away";
		badge.className = `badge ${status}`;
		let text = status;
		if (status === "closed" && !this.state.closed) text = "draining or closed";
		if (status === "paused" && stats.resumes) text = `paused for ${about((Date.parse(stats.resumes) - now) / 1000)}`;
		if (status === "away") text = "quota out of reach";
		badge.title = status === "away" ? stats.quota.error : "";
		say(badge, text);
		say(this.part(".limits"), this.state.limits);
		const figure = (name, text) => say(this.part(`[data-figure=${name}]`), text);
		figure("waiting", number(stats.waiting));
		figure("oldest", stats.waiting === 0 ? "–" : (seen.oldest_is_at_least ? "over " : "") + about(seen.oldest_seconds));
		figure("wait", this.state.wait_seconds === undefined ? "–" : about(this.state.wait_seconds));
		figure("next", stats.next_wake ? about((Date.parse(stats.next_wake) - now) / 1000) : "–");
		figure("held", this.state.max_burst > 0 ? `${number(stats.in_use)} of ${number(this.state.max_burst)}` : number(stats.in_use));
		figure("granted", number(stats.granted));
		figure("refused", number(seen.refused));
		figure("gaveUp", number(seen.gave_up));
		const limits = this.form.elements.limits;
		if (document.activeElement !== limits && limits.dataset.from !== this.state.limits) {
			limits.value = limits.dataset.from = this.state.limits;
		}
		this.form.hidden = !controls || this.state.closed === true;
	}

	meters() {
		const {stats, max_burst} = this.state;
		const rows = stats.windows.map(w => ({what: w.window, used: w.used, limit: parseInt(w.window, 10)})); // a window's text begins with its limit
		if (max_burst > 0) rows.unshift({what: `burst ${max_burst}`, used: stats.in_use, limit: max_burst});
		const box = this.part(".meters");
		while (box.children.length > rows.length) box.lastElementChild.remove();
		while (box.children.length < rows.length) box.append(byId("meter").content.firstElementChild.cloneNode(true));
		rows.forEach((row, i) => {
			const meter = box.children[i];
			say(meter.querySelector(".what"), row.what);
			say(meter.querySelector(".how"), `${brief(row.used)} of ${brief(row.limit)}`);
			meter.title = `${row.what}: ${number(row.used)} of ${number(row.limit)}`;
			meter.querySelector(".filled").style.transform = `scaleX(${row.limit > 0 ? Math.min(1, row.used / row.limit) : 0})`;
			meter.classList.toggle("full", row.used >= row.limit);
		});
	}

	flows() {
		const {seen} = this.state;
		const body = this.part("tbody");
		this.part(".flows").hidden = seen.flows.length === 0;
		while (body.rows.length > seen.flows.length) body.deleteRow(-1);
		while (body.rows.length < seen.flows.length) {
			const row = body.insertRow();
			for (let i = 0; i < 6; i++) row.insertCell();
			const swatch = document.createElement("span");
			swatch.className = "swatch";
			row.cells[0].append(swatch, document.createElement("span"));
			const share = document.createElement("div");
			share.className = "share";
			const part = document.createElement("span"), bar = document.createElement("span"), filled = document.createElement("span");
			part.className = "part";
			bar.className = "bar";
			filled.className = "filled";
			bar.append(filled);
			share.append(part, bar);
			row.cells[5].append(share);
		}
		seen.flows.forEach((flow, i) => {
			const cells = body.rows[i].cells;
			cells[0].firstChild.style.background = `var(${this.hue(flow.key)})`;
			say(cells[0].lastChild, flow.key === "" ? "no flow" : flow.key);
			say(cells[1], flow.configured_share ? number(flow.configured_share) : "–");
			say(cells[2], number(flow.waiting));
			say(cells[3], flow.waiting > 0 ? about(flow.oldest_seconds) : "–");
			say(cells[4], number(flow.granted));
			say(cells[5].querySelector(".part"), `${Math.round(flow.share * 100)} %`);
			const filled = cells[5].querySelector(".filled");
			filled.style.transform = `scaleX(${flow.share})`;
			filled.style.background = `var(${this.hue(flow.key)})`;
		});
		const more = [];
		if (seen.more_flows) more.push(`and ${number(seen.more_flows)} more flows`);
		if (seen.missed) more.push(`${number(seen.missed)} events were not seen: too many came at once`);
		if (seen.longest_wait_seconds > 0) more.push(`longest wait in the last minute: ${about(seen.longest_wait_seconds)}`);
		if (seen.last_refusal) more.push(`last refusal: ${seen.last_refusal}`);
		say(this.part(".more"), more.join("; "));
	}

	// ---- the moving timeline ----

	draw(now) {
		const lanes = this.lanes();
		const laneHeight = 46, gap = 8, foot = 20;
		const width = this.canvas.clientWidth, height = lanes.length * (laneHeight + gap) + foot;
		if (width === 0) return;
		const ratio = window.devicePixelRatio || 1;
		if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
			this.canvas.width = Math.round(width * ratio);
			this.canvas.height = Math.round(height * ratio);
			this.canvas.style.height = `${height}px`;
		}
		const ctx = this.canvas.getContext("2d");
		ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
		ctx.clearRect(0, 0, width, height);
		ctx.font = '11px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif';
		const style = getComputedStyle(document.documentElement);
		const color = name => style.getPropertyValue(name).trim();
		const left = width < 520 ? 80 : 124, right = width - 52;
		const begin = now - range * 1000;
		// On whole pixels of the screen, so that neighbours meet without a seam.
		const x = at => Math.round((left + (right - left) * (at - begin) / (range * 1000)) * ratio) / ratio;
		const frames = this.frames.filter(f => f.at >= begin - hole);

		// Grounds and lines of time.
		lanes.forEach((lane, i) => {
			lane.top = i * (laneHeight + gap);
			ctx.fillStyle = color("--faint");
			ctx.fillRect(left, lane.top, right - left, laneHeight);
		});
		const bottom = lanes.length * (laneHeight + gap) - gap;
		const step = range <= 30 ? 5 : range <= 120 ? 15 : 60;
		ctx.textAlign = "center";
		ctx.strokeStyle = color("--grid");
		ctx.lineWidth = 1;
		for (let s = 0, last = Infinity; s <= range; s += step) {
			const at = Math.round(x(now - s * 1000)) + .5;
			ctx.beginPath();
			ctx.moveTo(at, 0);
			ctx.lineTo(at, bottom + 4);
			ctx.stroke();
			if (last - at < 44) continue;
			last = at;
			ctx.fillStyle = color("--muted");
			ctx.fillText(s === 0 ? "now" : s < 60 || s % 60 ? `−${s} s` : `−${s / 60} min`, at, bottom + 16);
		}

		// Amounts, as steps from one frame to the next.
		ctx.save();
		ctx.beginPath();
		ctx.rect(left, 0, right - left, bottom);
		ctx.clip();
		for (const lane of lanes) {
			lane.peak = Math.max(1, ...frames.map(f => Math.max(lane.sum(f), lane.limit(f))));
			const y = n => lane.top + laneHeight - (laneHeight - 5) * Math.min(n, lane.peak) / lane.peak;
			frames.forEach((f, i) => {
				const next = frames[i + 1];
				const from = x(f.at), to = next ? x(Math.min(next.at, f.at + hole)) : x(Math.min(now, f.at + hole));
				if (to < left) return;
				let sum = 0;
				for (const [hue, n] of lane.layers(f)) {
					if (n <= 0) continue;
					ctx.fillStyle = color(hue);
					const top = y(sum + n), low = y(sum);
					ctx.fillRect(from, top, to - from, low - top);
					sum += n;
				}
			});
			ctx.strokeStyle = color("--limit");
			ctx.lineWidth = 1.3;
			ctx.beginPath();
			let before = false;
			frames.forEach((f, i) => {
				const limit = lane.limit(f);
				if (limit <= 0) { before = false; return; }
				const next = frames[i + 1];
				const to = next ? x(Math.min(next.at, f.at + hole)) : x(Math.min(now, f.at + hole));
				if (before) ctx.lineTo(x(f.at), y(limit)); else ctx.moveTo(x(f.at), y(limit));
				ctx.lineTo(to, y(limit));
				before = !next || next.at - f.at <= hole;
			});
			ctx.stroke();
			lane.y = y;
		}
		// Pauses, new limits, refusals.
		frames.forEach((f, i) => {
			const next = frames[i + 1], from = x(f.at), to = next ? x(Math.min(next.at, f.at + hole)) : x(now);
			if (f.paused) {
				ctx.fillStyle = color("--pause");
				ctx.globalAlpha = .28;
				ctx.fillRect(from, 0, to - from, bottom);
				ctx.globalAlpha = 1;
			}
			const last = frames[i - 1];
			if (!last) return;
			if (f.limits !== last.limits) {
				ctx.strokeStyle = color("--limit");
				ctx.setLineDash([4, 3]);
				ctx.beginPath();
				ctx.moveTo(from, 0);
				ctx.lineTo(from, bottom);
				ctx.stroke();
				ctx.setLineDash([]);
			}
			if (f.refused > last.refused) {
				ctx.fillStyle = color("--alarm");
				ctx.beginPath();
				ctx.moveTo(from - 4, lanes[0].top + 1);
				ctx.lineTo(from + 4, lanes[0].top + 1);
				ctx.lineTo(from, lanes[0].top + 8);
				ctx.fill();
			}
		});
		ctx.restore();

		// Names at the left and numbers at the right.
		for (const lane of lanes) {
			ctx.textAlign = "left";
			ctx.fillStyle = color("--ink");
			this.fit(ctx, lane.name, 0, lane.top + 12, left - 6);
			ctx.fillStyle = color("--muted");
			this.fit(ctx, lane.note, 0, lane.top + 27, left - 6);
			const latest = frames[frames.length - 1];
			const limit = latest ? lane.limit(latest) : 0;
			const shown = limit > 0 ? limit : lane.peak;
			ctx.fillText(lane.format(shown), right + 5, lane.y(shown) + 8);
		}
		const {stats} = this.state;
		this.canvas.setAttribute("aria-label", `The last ${range} seconds of ${this.name}: ${stats.waiting} wait, ${stats.in_use} permits in use, ${stats.granted} granted.`);
	}

	fit(ctx, text, x, y, width) {
		while (text.length > 1 && ctx.measureText(text).width > width) text = text.slice(0, -2) + "…";
		ctx.fillText(text, x, y);
	}

	// lanes are what is drawn: the sum of layers, [colour, amount], against a limit. 0: no limit.
	lanes() {
		const latest = this.frames[this.frames.length - 1];
		const none = () => 0;
		const waiting = f => {
			const layers = f.flows.map(flow => [flow.hue, flow.waiting]);
			const known = layers.reduce((sum, [, n]) => sum + n, 0);
			layers.push(["--other", f.waiting - known]);
			return layers;
		};
		const lanes = [
			{name: "waiting", note: "tickets", layers: waiting, sum: f => f.waiting, limit: none, format: brief},
			this.rate(),
			{name: "held at once", note: latest.burst > 0 ? `burst ${latest.burst}` : "no burst", layers: f => [["--flow0", f.held]],
				sum: f => f.held, limit: f => f.burst, format: brief},
		];
		latest.windows.slice(0, 6).forEach((w, i) => {
			const window = f => f.windows[i] || {used: 0, limit: 0};
			lanes.push({name: w.name, note: "fill", layers: f => [["--flow0", window(f).used]], sum: f => window(f).used, limit: f => window(f).limit, format: brief});
		});
		return lanes;
	}

	// rate is the lane of grants in a second. A frame counts the grants since a second before it.
	rate() {
		const frames = this.frames;
		const ago = new Map();
		let i = 0;
		for (const f of frames) {
			while (frames[i].at < f.at - 1000) i++;
			ago.set(f, frames[i]);
		}
		const layers = f => {
			const before = ago.get(f);
			const seconds = Math.max((f.at - before.at) / 1000, 1);
			let rest = f.granted - before.granted;
			const old = new Map(before.flows.map(flow => [flow.key, flow.granted]));
			const layers = f.flows.map(flow => {
				// A flow that was not there before is new, unless it was one of many.
				const was = old.has(flow.key) ? old.get(flow.key) : before.more ? flow.granted : 0;
				const n = Math.max(0, Math.min(rest, flow.granted - was));
				rest -= n;
				return [flow.hue, n / seconds];
			});
			layers.push(["--other", Math.max(0, rest) / seconds]);
			return layers;
		};
		const sum = f => layers(f).reduce((sum, [, n]) => sum + n, 0);
		return {name: "granted", note: "per second", layers, sum, limit: () => 0, format: n => brief(n < 10 ? Math.round(n * 10) / 10 : Math.round(n))};
	}
}

// ---- the stream ----

function draw(now) {
	for (const card of cards.values()) card.draw(now);
}

let newest = 0; // the server's time of the newest frame

function connect() {
	const connection = byId("connection");
	const events = new EventSource("events");
	events.addEventListener("hello", e => {
		const hello = JSON.parse(e.data);
		controls = hello.controls;
		byId("reason").hidden = !hello.reason;
		say(byId("reason"), hello.reason ? `The buttons are off: ${hello.reason}` : "");
		connection.className = "live";
		say(connection, "live");
	});
	events.addEventListener("state", e => {
		const frame = JSON.parse(e.data);
		newest = Date.parse(frame.at);
		for (const state of frame.schedulers) {
			if (!cards.has(state.name)) cards.set(state.name, new Card(state.name));
			cards.get(state.name).show(newest, state);
		}
		if (frame.schedulers.length === 0) say(connection, "live; there are no schedulers");
		if (!document.hidden) draw(newest);
	});
	events.addEventListener("end", () => {
		events.close();
		connection.className = "lost";
		say(connection, "all schedulers are closed");
	});
	events.addEventListener("error", () => {
		connection.className = "lost";
		if (events.readyState === EventSource.CLOSED) {
			say(connection, "the server refuses the stream; trying again in 5 s");
			setTimeout(connect, 5000);
		} else say(connection, "the server does not answer; trying again");
	});
}

for (const input of document.querySelectorAll("#range input")) {
	input.addEventListener("change", () => { range = Number(input.value); draw(newest); });
}
window.addEventListener("resize", () => { if (newest) draw(newest); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (newest) draw(newest); });
connect();
