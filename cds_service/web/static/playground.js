// The EHR of the playground. The chart of the session lives here, in the page, and is gone with it. Where the playground has
// a FHIR server, there is a visit, and what was accepted or signed is on that server too.
const desk = document.getElementById("desk");
const base = desk.dataset.base;
const part = (id) => document.getElementById(id);
const visit = desk.dataset.visit;
const chart = { orders: [], drafts: [], made: 0 };
const onServer = new Set();
let isOpen = !visit;
let shown = { cards: [], service: "", hook: "" };

async function call(path, content) {
  const own = base + path + (visit ? `?visit=${visit}` : "");
  const answer = await fetch(path.startsWith("/") && path.includes("cds-services") ? path : own, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content),
  });
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error((told.issue || []).map((each) => each.diagnostics).join(" ") || `The service answered ${answer.status}.`);
  return told;
}

function say(words) { part("status").textContent = words; }

async function guarded(work) {
  desk.setAttribute("aria-busy", "true");
  try { await work(); } catch (problem) { say(problem.message); }
  desk.removeAttribute("aria-busy");
}

const reference = (order) => `${order.resourceType}/${order.id}`;
const asked = (selections = []) => ({ orders: chart.orders, drafts: chart.drafts, selections });
const newId = () => ["draft", ...(visit ? [visit] : []), ++chart.made].join("-");

async function record(orders, without = []) {
  const written = orders.map(reference);
  const gone = without.map(reference).filter((each) => onServer.has(each) && !written.includes(each));
  if (!visit || orders.length + gone.length === 0) return;
  await call("/record", { orders, gone });
  written.forEach((each) => onServer.add(each));
  gone.forEach((each) => onServer.delete(each));
}

async function fire(hook, selections) {
  part("cards").replaceChildren();  // should no answer come, an old one must not be taken for it
  if (!isOpen) await call("/visit", {});
  isOpen = true;
  const told = await call(`/hooks/${hook}`, asked(selections));
  shown = { cards: told.cards, service: told.service, hook };
  part("cards").innerHTML = told.html;
  part("timeline").innerHTML = told.timeline;
  part("sent").textContent = `POST /cds-services/${told.service}`;
  part("came").textContent = `Answer in ${told.millis} ms`;
  part("request").textContent = told.request;
  part("answer").textContent = told.answer;
  part("told").hidden = true;
  part("wire").hidden = false;
  const count = told.cards.length;
  say(`${hook}: ${count === 0 ? "no card" : count === 1 ? "1 card" : `${count} cards`}`);
  return count;
}

function words(order) {
  const code = order.code || order.medicationCodeableConcept || {};
  const site = ((order.bodySite || [])[0] || {}).coding || [];
  const name = code.text || ((code.coding || [])[0] || {}).display || order.resourceType;
  const side = code.text || !site[0] ? "" : `, ${site[0].display.replace(" structure", "").toLowerCase()}`;
  const window = order.occurrencePeriod ? `, ${order.occurrencePeriod.start} to ${order.occurrencePeriod.end}` : "";
  return name + side + window;
}

function list() {
  part("drafts").replaceChildren(...chart.drafts.map((order) => {
    const line = document.createElement("li");
    const remove = document.createElement("button");
    line.append(words(order), " ", remove);
    remove.type = "button";
    remove.textContent = "Remove";
    remove.setAttribute("aria-label", `Remove ${words(order)}`);
    remove.addEventListener("click", () => guarded(async () => {
      await record([], [order]);
      chart.drafts = chart.drafts.filter((each) => each !== order);
      await redraw();
      part("order").focus();
    }));
    return line;
  }));
  part("sign").disabled = chart.drafts.length === 0;
  part("sign").textContent = "Sign orders";
}

async function redraw() {
  list();
  part("timeline").innerHTML = (await call("/timeline", asked())).timeline;
}

function carriedOut(drafts, action) {
  if (action.type === "delete") {
    const gone = [].concat(action.resourceId || []);
    return drafts.filter((each) => !gone.includes(reference(each)));
  }
  if (action.type === "update") {
    return drafts.map((each) => (reference(each) === reference(action.resource) ? action.resource : each));
  }
  return [...drafts, { ...action.resource, id: newId() }];
}

async function feedBack(entry) {
  const content = { feedback: [{ ...entry, outcomeTimestamp: new Date().toISOString() }] };
  const path = `/cds-services/${shown.service}/feedback`;
  part("told").hidden = false;
  part("feedback").textContent = JSON.stringify(content, null, 2);
  if (!desk.dataset.feedback) {
    part("feedback-words").textContent = `Feedback as an EHR would send it to ${path} (not sent: this service asks clients for a token)`;
    return;
  }
  await call(path, content);
  part("feedback-words").textContent = `POST ${path}: taken`;
}

function settle(article, words) {
  const done = document.createElement("p");
  done.className = "settled";
  done.tabIndex = -1;
  done.textContent = words;
  article.replaceChildren(article.querySelector("header"), done);
  article.classList.add("done");
  done.focus();
}

part("cards").addEventListener("click", (event) => {
  const button = event.target.closest("[data-suggestion]");
  if (!button) return;
  const article = button.closest("[data-card]");
  const card = shown.cards.find((each) => each.uuid === article.dataset.card);
  const suggestion = card.suggestions.find((each) => each.uuid === button.dataset.suggestion);
  guarded(async () => {
    const drafts = suggestion.actions.reduce(carriedOut, chart.drafts);
    await record(drafts.filter((each) => !chart.drafts.includes(each)), chart.drafts.filter((each) => !drafts.includes(each)));
    chart.drafts = drafts;
    settle(article, `Accepted: ${suggestion.label}`);
    say("The suggestion was carried out. The orders wait for a signature.");
    await redraw();
    await feedBack({ card: card.uuid, outcome: "accepted", acceptedSuggestions: [{ id: suggestion.uuid }] });
  });
});

part("cards").addEventListener("submit", (event) => {
  const form = event.target.closest("[data-override]");
  if (!form) return;
  event.preventDefault();
  const article = form.closest("[data-card]");
  const card = shown.cards.find((each) => each.uuid === article.dataset.card);
  const reason = card.overrideReasons.find((each) => each.code === form.querySelector("select").value);
  guarded(async () => {
    settle(article, `Overridden: ${reason.display}`);
    say("The card was overridden.");
    await feedBack({
      card: card.uuid, outcome: "overridden",
      overrideReason: { reason: { code: reason.code, system: reason.system, display: reason.display } },
    });
  });
});

part("picker").addEventListener("submit", (event) => {
  event.preventDefault();
  guarded(async () => {
    const { draft } = await call("/order", { order: part("order").value, side: part("side").value, ident: newId() });
    chart.drafts.push(draft);
    list();
    await fire("order-select", [reference(draft)]);
  });
});

function unsided() { part("side").disabled = "unsided" in part("order").selectedOptions[0].dataset; }
part("order").addEventListener("change", unsided);

part("open").addEventListener("click", () => guarded(() => fire("patient-view")));

part("sign").addEventListener("click", () => guarded(async () => {
  const isSure = part("sign").textContent === "Sign anyway";
  if (!isSure && await fire("order-sign") > 0) {
    part("sign").textContent = "Sign anyway";
    return;
  }
  const signed = chart.drafts.map((each) => ({ ...each, status: "active" }));
  await record(signed);
  chart.orders.push(...signed);
  chart.drafts = [];
  await redraw();
  say(`Signed: ${signed.map(words).join("; ")}`);
  part("status").focus();
}));

unsided();
list();
guarded(() => fire("patient-view"));
