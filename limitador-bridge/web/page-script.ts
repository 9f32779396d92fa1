/** What the page does in the browser: reads the API every five seconds and fills the tables. */

export const SCRIPT = `
const NANO_USD = 1e9;
const usd = (nanoUsd) =>
  (nanoUsd / NANO_USD).toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 6 });
const amount = (unit, value) => unit === "usd" ? usd(value) : value.toLocaleString("en");
const time = (text) => text.replace("T", " ").replace(/\\.\\d+Z$|Z$/, "");
/* Rounded down: 0.29 * 100 is less than 29, and 0.29 is not less than 29 / 100. */
const percent = (share) => {
  const nearest = Math.round(share * 100);
  return nearest / 100 > share ? nearest - 1 : nearest;
};
const cell = (value) => {
  const td = document.createElement("td");
  if (value?.share !== undefined) {
    const meter = document.createElement("meter");
    Object.assign(meter, { min: 0, low: 0.5, high: 0.8, max: 1, optimum: 0, value: value.share });
    td.append(meter, " " + percent(value.share) + " %");
    return td;
  }
  td.textContent = value?.number ?? value ?? "";
  if (value?.number !== undefined) td.className = "number";
  return td;
};
const number = (text) => ({ number: text });
const fill = (id, rows) => {
  const body = document.querySelector("#" + id + " tbody");
  body.replaceChildren(...rows.map((row) => {
    const tr = document.createElement("tr");
    tr.append(...row.map(cell));
    return tr;
  }));
  document.querySelector("#" + id + "-none").hidden = rows.length > 0;
};
const read = async (path) => {
  const response = await fetch(path);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error.message);
  return answer;
};
const forecast = ({ forecast, resetsAt }) => {
  if (forecast === null) return "";
  const { atEndNanoUsd, exhaustsBeforeReset, daysUntilExhausted } = forecast;
  const end = usd(atEndNanoUsd) + " by " + time(resetsAt).slice(0, 10);
  if (!exhaustsBeforeReset) return end;
  return daysUntilExhausted === 0
    ? "used up"
    : end + ", used up in " + daysUntilExhausted.toFixed(1) + " days";
};
const budgetRow = (b) => [
  b.level === "team" ? (b.name ?? "(team not known)") : "organization " + b.name,
  b.mode === "shadow" ? "shadow" : "", { share: b.utilization },
  number(usd(b.spentNanoUsd)), number(usd(b.heldNanoUsd)),
  number(usd(b.remainingNanoUsd)), number(usd(b.budgetNanoUsd)),
  forecast(b), time(b.resetsAt),
];
const limitRow = (l) => [
  l.policy, l.limitName, l.counters.join(", "),
  { share: l.limit === 0 ? 1 : (l.used + l.held) / l.limit },
  ...[l.used, l.held, l.remaining, l.limit].map((n) => number(amount(l.unit, n))),
  l.unit === "usd" ? "USD" : l.unit, time(l.resetsAt),
];
const usageRow = (r) => [
  time(r.time), r.team, r.app, r.user,
  r.requestedModel === r.model || r.requestedModel === null
    ? r.model : r.model + " for " + r.requestedModel,
  number(r.tokens.input.toLocaleString("en")), number(r.tokens.output.toLocaleString("en")),
  number(r.priced ? usd(r.costNanoUsd) : "no price"), r.source,
  r.outcome === "denied" ? r.reason ?? r.outcome : r.outcome,
];
const problemRows = (policies) => policies.flatMap((p) =>
  p.problems.map((problem) => [
    p.kind + " " + p.namespace + "/" + p.name,
    problem.file + ":" + problem.line + ":" + problem.column,
    (problem.field === "" ? "" : problem.field + ": ") + problem.message,
    p.inForce ? "the last good version serves" : "nothing serves",
  ]));
const refresh = async () => {
  const state = document.querySelector("#state");
  try {
    const [{ budgets }, { limits }, { records }, { policies }] = await Promise.all([
      read("v1/budgets"), read("v1/limits?max=100"), read("v1/usage?limit=50"), read("v1/policies"),
    ]);
    fill("problems", problemRows(policies));
    fill("budgets", budgets.map(budgetRow));
    fill("limits", limits.map(limitRow));
    fill("usage", records.map(usageRow));
    state.textContent = "As of " + time(new Date().toISOString()) + " UTC. All times are UTC.";
  } catch (error) {
    state.textContent = "Cannot be read: " + error.message;
  }
  setTimeout(refresh, 5000);
};
refresh();
`;
