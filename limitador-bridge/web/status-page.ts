/** GET /: a page with the limits and the latest usage, made of what the API answers. */
import { createHash } from "node:crypto";
import type { FastifyInstance } from "fastify";
import Type from "typebox";

const STYLE = `
body { font: 14px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #8884 }
td.number { text-align: right; font-variant-numeric: tabular-nums }
:root { color-scheme: light dark }
`;

const SCRIPT = `
const cell = (value) => {
  const td = document.createElement("td");
  td.textContent = value ?? "";
  if (typeof value === "number") td.className = "number";
  return td;
};
const fill = (id, rows) => {
  const body = document.querySelector("#" + id + " tbody");
  body.replaceChildren(...rows.map((row) => {
    const tr = document.createElement("tr");
    tr.append(...row.map(cell));
    return tr;
  }));
};
const read = async (path) => {
  const response = await fetch(path);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error.message);
  return answer;
};
const refresh = async () => {
  const state = document.querySelector("#state");
  try {
    const [{ limits }, { records }] = await Promise.all([
      read("v1/limits?max=100"), read("v1/usage?limit=50"),
    ]);
    fill("limits", limits.map((l) => [
      l.policy, l.limitName, l.counters.join(", "), l.used, l.held, l.remaining, l.limit,
      l.unit, l.resetsAt,
    ]));
    fill("usage", records.map((r) => [
      r.time, r.team, r.user, r.model, r.tokens.input, r.tokens.output, r.costNanoUsd / 1e9,
      r.source, r.outcome,
    ]));
    state.textContent = "as of " + new Date().toISOString();
  } catch (error) {
    state.textContent = "cannot be read: " + error.message;
  }
  setTimeout(refresh, 5000);
};
refresh();
`;

const LIMIT_COLUMNS = [
  "policy",
  "limit",
  "counter",
  "used",
  "held",
  "remaining",
  "of",
  "unit",
  "resets",
];
const USAGE_COLUMNS = [
  "time",
  "team",
  "user",
  "model",
  "input",
  "output",
  "USD",
  "source",
  "outcome",
];

const PAGE = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Tollgate</title><style>${STYLE}</style></head>
<body>
<h1>Tollgate</h1>
<p id="state" role="status">reading …</p>
<h2>Limits</h2>
${table("limits", LIMIT_COLUMNS)}
<h2>Latest usage</h2>
${table("usage", USAGE_COLUMNS)}
<script>${SCRIPT}</script>
</body>
</html>
`;

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "connect-src 'self'",
  `style-src '${sourceHash(STYLE)}'`,
  `script-src '${sourceHash(SCRIPT)}'`,
  "frame-ancestors 'none'",
].join("; ");

export function registerStatusPage(app: FastifyInstance): void {
  const schema = { summary: "A page with limits and usage", response: { 200: Type.String() } };
  app.get("/", { schema, config: { contentType: "text/html" } }, async (_, reply) => {
    reply.header("content-security-policy", CONTENT_SECURITY_POLICY);
    return reply.type("text/html; charset=utf-8").send(PAGE);
  });
}

function table(id: string, columns: string[]): string {
  const heads = columns.map((column) => `<th scope="col">${column}</th>`).join("");
  return `<table id="${id}"><thead><tr>${heads}</tr></thead><tbody></tbody></table>`;
}

function sourceHash(source: string): string {
  return `sha256-${createHash("sha256").update(source).digest("base64")}`;
}
