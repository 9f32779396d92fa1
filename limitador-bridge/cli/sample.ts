/** The sample requests that `tollgate up` prints, with what the policies ask of senders. */
import { CommandError, callService, type ServiceCall } from "./service-call.ts";

/** As a demo's user; see the stand-in for authentication in envoy/bootstrap.yaml. */
const USER = "alice";
const GROUPS = "free";
const IDENTITY = { userid: USER, metadata: { annotations: { "kuadrant.io/groups": GROUPS } } };
export const SAMPLE_HEADERS: Readonly<Record<string, string>> = {
  "x-user": USER,
  "x-groups": GROUPS,
};
const SAMPLE_BODY = {
  model: "gpt-4o-mini",
  messages: [{ role: "user", content: "Hello" }],
};
const SAMPLE_PATH = "/v1/chat/completions";
/** What is tried to find a team that may send the sample. */
const MOST_HEADERS = 5;
const MOST_TEAMS = 3;

export interface Sample {
  headers: Readonly<Record<string, string>>;
  /** What else is to be known of it; null: nothing. */
  note: string | null;
}

interface Estimate {
  code: string | null;
  why: string;
}

/**
 * The sample's headers. Where no budget is defined for whoever sends it, one of those that the
 * policies read is set to the name of a team that has a budget.
 */
export async function sampleFor(service: ServiceCall): Promise<Sample> {
  try {
    return await findSample(service);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const note = `whether they are let through could not be asked: ${error.message}`;
    return { headers: SAMPLE_HEADERS, note };
  }
}

async function findSample(service: ServiceCall): Promise<Sample> {
  const plain = await estimate(service, SAMPLE_HEADERS);
  if (!lacksBudget(plain)) return { headers: SAMPLE_HEADERS, note: null };
  const { attributes } = await get<{ attributes: { headers: string[] } }>(
    service,
    "/v1/filter-config",
  );
  const { budgets } = await get<{ budgets: { level: string; name: string | null }[] }>(
    service,
    "/v1/budgets",
  );
  const teams = budgets.flatMap(({ level, name }) =>
    level === "team" && name !== null ? [name] : [],
  );
  const names = attributes.headers.toSorted((a, b) => Number(isTeam(b)) - Number(isTeam(a)));
  for (const name of names.slice(0, MOST_HEADERS)) {
    for (const team of teams.slice(0, MOST_TEAMS)) {
      const headers = { ...SAMPLE_HEADERS, [name]: team };
      if (!lacksBudget(await estimate(service, headers))) return { headers, note: null };
    }
  }
  return { headers: SAMPLE_HEADERS, note: `these are refused. ${plain.why}` };
}

function lacksBudget({ code }: Estimate): boolean {
  return code === "no_budget_defined";
}

function isTeam(header: string): boolean {
  return header.includes("team");
}

function estimate(service: ServiceCall, headers: Sample["headers"]): Promise<Estimate> {
  const attributes = { auth: { identity: IDENTITY } };
  // Who pays does not hang on the model, and a tokenizer is only loaded for one that is named.
  const asked = { messages: SAMPLE_BODY.messages };
  const body = JSON.stringify({ path: SAMPLE_PATH, headers, attributes, body: asked });
  return get(service, "/v1/estimate", { method: "POST", body });
}

async function get<T>(
  service: ServiceCall,
  path: string,
  init: Parameters<typeof callService>[2] = {},
): Promise<T> {
  return JSON.parse(await callService(service, path, init)) as T;
}

/**
 * Commands that send the sample and look at what became of it.
 * @param proxy of Envoy, e.g. http://127.0.0.1:10000
 * @param api of the service
 */
export function sampleText(proxy: string, api: string, { headers, note }: Sample): string {
  const all = Object.entries({ "content-type": "application/json", ...headers });
  const send = all.map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`).join(" ");
  const url = `${proxy}${SAMPLE_PATH}`;
  const body = quoted(JSON.stringify(SAMPLE_BODY));
  const stream = quoted(JSON.stringify({ ...SAMPLE_BODY, stream: true }));
  const notes = note === null ? "" : `Note:    ${note}\n`;
  return `Ask:     curl -i ${url} ${send} -d ${body}
Stream:  curl -N ${url} ${send} -d ${stream}
${notes}Usage:   curl ${api}/v1/usage
Limits:  curl ${api}/v1/limits
`;
}

/** One word for a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
