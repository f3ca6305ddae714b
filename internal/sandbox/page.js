// Brings the page up to date every 2 seconds while somebody looks at it, and at once after a switch: the page is fetched anew, and
// sections that differ are replaced. Without this script, forms work as forms do.
"use strict";

const every = 2000, patience = 5000; // ms
const unreachable = document.getElementById("unreachable");
let timer = 0, asked = 0;

async function load(path, options) {
	const answer = await fetch(path, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(patience), ...options });
	if (!answer.ok) throw new Error(await answer.text());
	return new DOMParser().parseFromString(await answer.text(), "text/html");
}

// show replaces what differs. What somebody selects is left alone, and what has the focus keeps it.
function show(fresh) {
	const focused = document.activeElement?.id;
	const main = document.querySelector("main");
	const wanted = [...fresh.querySelector("main").children];
	for (const old of [...main.children]) if (!wanted.some((e) => e.id === old.id)) old.remove();
	for (const [i, want] of wanted.entries()) {
		const have = document.getElementById(want.id), place = main.children[i] ?? null;
		if (!have) {
			main.insertBefore(want, place);
			continue;
		}
		if (have !== place) main.insertBefore(have, place);
		const selected = getSelection();
		if (have.outerHTML !== want.outerHTML && (selected.isCollapsed || !selected.containsNode(have, true))) have.replaceWith(want);
	}
	document.getElementById("now").replaceWith(fresh.getElementById("now"));
	document.title = fresh.title;
	if (focused && document.activeElement?.id !== focused) document.getElementById(focused)?.focus();
	unreachable.hidden = true;
}

async function look(path = "/", options = {}) {
	clearTimeout(timer);
	const turn = ++asked;
	try {
		const fresh = await load(path, options);
		if (turn === asked) show(fresh); // else a later one has overtaken it
	} catch {
		unreachable.hidden = false;
	}
	if (turn === asked) timer = setTimeout(refresh, every);
}

function refresh() {
	if (!document.hidden) look(); // visibilitychange goes on with it
}

document.addEventListener("submit", (event) => {
	event.preventDefault();
	look(event.target.action, { method: "POST", body: new URLSearchParams(new FormData(event.target, event.submitter)) });
});
document.addEventListener("visibilitychange", refresh);
timer = setTimeout(refresh, every);
