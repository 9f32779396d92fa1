/** Envoy alone, Envoy with a filter that does nothing, and Envoy with tollgate. */
import { withoutDemoIdentity, withoutTollgate } from "./bootstrap.ts";
import type { Accounts, Chain } from "./chain.ts";
import type { Enforcement } from "./policy.ts";
import { NOOP_WASM, TOLLGATE_WASM } from "./project.ts";
import { Stack } from "./stack.ts";

/** What the others are compared with. */
export const BASE = "envoy";

export interface Surroundings {
  envoy: string;
  upstreamPort: number;
}

interface Recipe {
  name: string;
  title: string;
  wasm: string;
  store: "embedded" | "redis";
  services: number;
  enforcement: Enforcement;
  change: (bootstrap: string) => string;
}

const RECIPES: readonly Recipe[] = [
  {
    name: BASE,
    title: "Envoy alone",
    wasm: "",
    store: "embedded",
    services: 0,
    enforcement: "ask",
    change: (bootstrap) => withoutTollgate(withoutDemoIdentity(bootstrap)),
  },
  {
    name: "noop",
    title: "filter that does nothing",
    wasm: NOOP_WASM,
    store: "embedded",
    services: 0,
    enforcement: "ask",
    change: withoutDemoIdentity,
  },
  {
    name: "leased",
    title: "tollgate leased, embedded",
    wasm: TOLLGATE_WASM,
    store: "embedded",
    services: 1,
    enforcement: "lease",
    change: withoutDemoIdentity,
  },
  {
    name: "ask-embedded",
    title: "tollgate asking, embedded",
    wasm: TOLLGATE_WASM,
    store: "embedded",
    services: 1,
    enforcement: "ask",
    change: withoutDemoIdentity,
  },
  {
    name: "ask-redis",
    title: "tollgate asking, Redis",
    wasm: TOLLGATE_WASM,
    store: "redis",
    services: 1,
    enforcement: "ask",
    change: withoutDemoIdentity,
  },
  {
    name: "ask-redis-2",
    title: "tollgate asking, 2 services",
    wasm: TOLLGATE_WASM,
    store: "redis",
    services: 2,
    enforcement: "ask",
    change: withoutDemoIdentity,
  },
];

export const CHAIN_NAMES: readonly string[] = RECIPES.map(({ name }) => name);

/**
 * Starts all of them. `started` is told of each at once, so that it can be stopped when a later
 * one cannot be started.
 */
export async function startTollgateChains(
  surroundings: Surroundings,
  started: (chain: Chain) => void,
): Promise<void> {
  for (const recipe of RECIPES) started(await startChain(recipe, surroundings));
}

async function startChain(recipe: Recipe, { envoy, upstreamPort }: Surroundings): Promise<Chain> {
  const { name, title, wasm, change, services, enforcement } = recipe;
  const stack = await Stack.make();
  try {
    const store = recipe.store === "redis" ? await stack.startRedis() : null;
    const apiUrls: string[] = [];
    for (let i = 1; i <= services; i++) {
      const named = { name: i === 1 ? "service" : `service ${i}` };
      apiUrls.push(await stack.startService(store, enforcement, named));
    }
    const url = await stack.startEnvoy({ envoy, upstreamPort, apiUrls, wasm, change });
    return {
      name,
      title,
      url,
      headers: {},
      processes: () => stack.parts.map((part) => ({ name: part.name, pid: part.pid })),
      accounts: async () => (services === 0 ? null : readAccounts(apiUrls)),
      stop: () => stack.stop(),
    };
  } catch (error) {
    await stack.stop();
    throw error;
  }
}

async function readAccounts(apiUrls: readonly string[]): Promise<Accounts> {
  const metrics = apiUrls.map(async (url) => (await fetch(`${url}/metrics`)).text());
  const text = (await Promise.all(metrics)).join("\n");
  return {
    asked: sumOf(text, /^tollgate_requests_total\{[^}]*verdict="allow"[^}]*\} (\d+)$/gm),
    settled: sumOf(text, /^tollgate_settlements_total\{result="accepted"\} (\d+)$/gm),
  };
}

function sumOf(text: string, samples: RegExp): number {
  return [...text.matchAll(samples)].reduce((sum, [, value]) => sum + Number(value), 0);
}
