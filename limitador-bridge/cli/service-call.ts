/** Calls of the budget service by commands. */

const TIMEOUT_MS = 10 * 60_000;

/** A command that was given something it cannot use, or that the service refused. */
export class CommandError extends Error {}

export interface ServiceCall {
  /** Of the service, e.g. http://127.0.0.1:8080 */
  api: string;
  token: string | null;
}

/**
 * Which service to call: --api, then TOLLGATE_API, then the port of `make up` on this machine.
 * @throws CommandError where it is no http(s) URL; the message names the option or the variable
 */
export function serviceOf(api: string | undefined, env: NodeJS.ProcessEnv): ServiceCall {
  const url = api ?? (env.TOLLGATE_API || localService(env.API_PORT || "8080"));
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    const name = api === undefined ? "TOLLGATE_API" : "--api";
    throw new CommandError(`${name}: expected http://host[:port] or https://…, found "${url}"`);
  }
  return { api: url.replace(/\/+$/, ""), token: env.API_TOKEN || null };
}

function localService(port: string): string {
  const url = `http://127.0.0.1:${port}`;
  if (/^\d+$/.test(port) && URL.canParse(url)) return url;
  throw new CommandError(`API_PORT: expected a whole number from 0 to 65535, found "${port}"`);
}

/**
 * Calls and gives the answer's text.
 * @throws CommandError with the service's own message where it refuses
 */
export async function callService(
  { api, token }: ServiceCall,
  path: string,
  init: { method?: string; body?: string; accept?: string } = {},
): Promise<string> {
  const { method = "GET", body, accept = "application/json" } = init;
  const headers: Record<string, string> = { accept };
  if (token !== null) headers.authorization = `Bearer ${token}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  let response: Response;
  let text: string;
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    response = await fetch(api + path, {
      method,
      headers,
      signal,
      ...(body === undefined ? {} : { body }),
    });
    text = await response.text();
  } catch (cause) {
    const why = ((cause as Error).cause as Error | undefined)?.message ?? (cause as Error).message;
    throw new CommandError(`no answer from ${api}: ${why}`, { cause });
  }
  if (response.ok) return text;
  throw new CommandError(`${api} answered ${response.status}: ${messageOf(text)}`);
}

function messageOf(text: string): string {
  try {
    const { error } = JSON.parse(text) as { error?: { message?: unknown } };
    if (typeof error?.message === "string") return error.message;
  } catch {
    // Not ours: a proxy's page. Its beginning says more than nothing.
  }
  return text.slice(0, 200);
}
