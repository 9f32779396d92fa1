/** GET /: a page with budgets, limits and the latest usage, made of what the API answers. */
import { createHash } from "node:crypto";
import type { FastifyInstance } from "fastify";
import Type from "typebox";
import { SCRIPT } from "./page-script.ts";

const STYLE = `
:root { color-scheme: light dark }
body { font: 14px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem }
h2 { margin: 2rem 0 .5rem }
div { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #8884 }
th, td { white-space: nowrap }
td.number { text-align: right; font-variant-numeric: tabular-nums }
meter { width: 6rem; vertical-align: middle }
`;

interface Section {
  id: string;
  title: string;
  /** What is told where there are no rows. */
  none: string;
  columns: string[];
}

const SECTIONS: Section[] = [
  {
    id: "problems",
    title: "Problems with policies",
    none: "None: all policies are accepted.",
    columns: ["policy", "where", "what", "meanwhile"],
  },
  {
    id: "budgets",
    title: "Budgets",
    none: "No LLMBudget is in force.",
    columns: [
      ...["whose", "mode", "spent", "USD spent", "held", "left", "of"],
      ...["at this rate", "resets"],
    ],
  },
  {
    id: "limits",
    title: "Limits",
    none: "No limit has counted anything yet.",
    columns: [
      ...["policy", "limit", "counter", "taken", "used", "held", "left", "of"],
      ...["unit", "resets"],
    ],
  },
  {
    id: "usage",
    title: "Latest requests",
    none: "No request has been metered yet.",
    columns: [
      ...["time", "team", "app", "user", "model", "input", "output"],
      ...["USD", "source", "outcome"],
    ],
  },
];

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Tollgate</title><link rel="icon" href="data:,"><style>${STYLE}</style>
</head>
<body>
<h1>Tollgate</h1>
<p id="state" role="status">Reading …</p>
${SECTIONS.map(sectionText).join("\n")}
<script>${SCRIPT}</script>
</body>
</html>
`;

/** Nothing is fetched but from the service itself, and nothing runs but what is written here. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "connect-src 'self'",
  "img-src data:",
  `style-src '${sourceHash(STYLE)}'`,
  `script-src '${sourceHash(SCRIPT)}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

export function registerStatusPage(app: FastifyInstance): void {
  const schema = {
    summary: "A page with budgets, limits and usage",
    response: { 200: Type.String() },
  };
  app.get("/", { schema, config: { contentType: "text/html" } }, async (_, reply) => {
    reply.header("content-security-policy", CONTENT_SECURITY_POLICY);
    return reply.type("text/html; charset=utf-8").send(PAGE);
  });
}

function sectionText({ id, title, none, columns }: Section): string {
  const heads = columns.map((column) => `<th scope="col">${column}</th>`).join("");
  return (
    `<h2>${title}</h2><p id="${id}-none" hidden>${none}</p>` +
    `<div><table id="${id}"><thead><tr>${heads}</tr></thead><tbody></tbody></table></div>`
  );
}

function sourceHash(source: string): string {
  return `sha256-${createHash("sha256").update(source).digest("base64")}`;
}
