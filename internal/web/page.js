// Brings the page up to date every 2 seconds while somebody looks at it: the page is fetched anew, and what differs is
// changed in place, so that focus, selection and scroll position stay. Changes of state are said to screen readers.
"use strict";

const every = 2000, patience = 5000; // ms
const news = document.getElementById("news"), unreachable = document.getElementById("unreachable");
let timer = 0, busy = false;

// morph makes old like fresh. Elements with an id keep their identity wherever they stand among their siblings.
function morph(old, fresh) {
	for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
	for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
	const known = new Map([...old.children].filter((e) => e.id).map((e) => [e.id, e]));
	let next = old.firstChild;
	for (const want of [...fresh.childNodes]) {
		let have = want.id ? known.get(want.id) : next && !next.id ? next : null;
		if (have && have.nodeName !== want.nodeName) have = null;
		if (!have) {
			old.insertBefore(document.importNode(want, true), next);
			continue;
		}
		if (have === next) next = next.nextSibling;
		else old.insertBefore(have, next);
		if (want.nodeType === Node.ELEMENT_NODE) morph(have, want);
		else if (have.nodeValue !== want.nodeValue) have.nodeValue = want.nodeValue;
	}
	while (next) {
		const gone = next;
		next = next.nextSibling;
		gone.remove();
	}
}

// states gives the state of the agent and of each row, in words, by id.
function states(page) {
	const found = new Map([["", ["the agent", page.getElementById("ready").textContent]]]);
	for (const row of page.querySelectorAll("tr[data-state]")) found.set(row.id, [row.dataset.name, row.dataset.state]);
	return found;
}

function changes(before, after) {
	const said = [];
	for (const [id, [name, state]] of after) if (!before.has(id) || before.get(id)[1] !== state) said.push(`${name}: ${state}`);
	for (const [id, [name]] of before) if (!after.has(id)) said.push(`${name}: gone`);
	return said.length > 5 ? `${said.length} changes of state` : said.join(", ");
}

async function refresh() {
	const answer = await fetch("/", { signal: AbortSignal.timeout(patience) });
	if (!answer.ok) throw new Error(answer.statusText);
	const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
	if (fresh.documentElement.dataset.version !== document.documentElement.dataset.version) {
		location.reload(); // the agent was upgraded, and this script with it
		return;
	}
	const said = changes(states(document), states(fresh));
	for (const part of ["header", "main", "footer"]) morph(document.querySelector(part), fresh.querySelector(part));
	document.title = fresh.title;
	if (said) news.textContent = said;
	unreachable.hidden = true;
}

async function look() {
	clearTimeout(timer);
	if (busy || document.hidden) return; // visibilitychange goes on with it
	busy = true;
	try {
		await refresh();
	} catch {
		if (unreachable.hidden) {
			unreachable.textContent = `The agent does not answer. This is how it was at ${document.getElementById("now").textContent} UTC.`;
			unreachable.hidden = false;
			document.title = "No answer: " + document.title;
		}
	}
	busy = false;
	timer = setTimeout(look, every);
}

document.addEventListener("visibilitychange", look);
timer = setTimeout(look, every);
