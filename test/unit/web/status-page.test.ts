/** The page's own script, run on a document that is made of its table ids. */
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { budgeted, request, settled } from "../service/budgeted-service.ts";
import { ask, settleAll } from "../service/service-fixture.ts";

const BUDGET = `  team: blue
  monthlyBudgetUSD: 1
  contact: "#costs"
`;

class Node {
  textContent = "";
  className = "";
  hidden = false;
  value: number | undefined;
  children: (Node | string)[] = [];
  append(...children: (Node | string)[]): void {
    this.children.push(...children);
  }
  replaceChildren(...children: Node[]): void {
    this.children = children;
  }
  get text(): string {
    const inner = this.children.map((child) => (typeof child === "string" ? child : child.text));
    return this.textContent + inner.join("|");
  }
}

/**
 * Loads the page from the service and lets its script run once.
 * @param answers by path; what is not given is asked of the service
 */
async function open(service: ReturnType<typeof budgeted>, answers: Record<string, object> = {}) {
  const page = await service.app.inject("/");
  const [, script = ""] = /<script>(.*)<\/script>/s.exec(page.body) ?? [];
  const ids = [...page.body.matchAll(/ id="([\w-]+)"/g)].map(([, id = ""]) => id);
  const nodes = new Map<string, Node>();
  for (const id of ids) nodes.set(`#${id}`, new Node()).set(`#${id} tbody`, new Node());
  const paths: string[] = [];
  const hasRefreshed = new Promise<void>((done) => {
    runInNewContext(script, {
      document: {
        querySelector: (selector: string) => nodes.get(selector) ?? null,
        createElement: () => new Node(),
      },
      fetch: async (path: string) => {
        paths.push(path);
        const given = answers[path];
        if (given !== undefined) return { ok: true, json: async () => given };
        const response = await service.app.inject(`/${path}`);
        return { ok: response.statusCode === 200, json: async () => response.json() };
      },
      setTimeout: () => done(),
    });
  });
  await hasRefreshed;
  const rows = (id: string) =>
    (nodes.get(`#${id} tbody`)?.children ?? []).map((row) => (row as Node).text);
  return { page, paths, rows, nodes };
}

describe("the page", () => {
  test("shows budgets, limits and the latest requests", async () => {
    const service = budgeted(BUDGET);
    const asked = request("a", { app: "chatbot" });
    expect((await ask(service.app, asked)).body.verdict).toBe("allow");
    await settleAll(service.app, settled(asked, [100, 200]));
    const { rows, nodes, paths } = await open(service);
    expect(paths).toEqual(["v1/budgets", "v1/limits?max=100", "v1/usage?limit=50", "v1/policies"]);
    expect(rows("budgets")).toEqual([
      expect.stringMatching(
        /^blue\|\|\| 0 %\|0\.00225\|0\.00\|0\.99775\|1\.00\|.*\|2026-04-01 00:00:00$/,
      ),
    ]);
    expect(rows("usage")).toEqual([
      "2026-03-01 12:00:00|blue|chatbot|u1|gpt-4o|100|200|0.00225|reported|ok",
    ]);
    expect(rows("problems")).toEqual([]);
    expect(nodes.get("#problems-none")?.hidden).toBe(false);
    expect(nodes.get("#budgets-none")?.hidden).toBe(true);
    expect(nodes.get("#state")?.textContent).toMatch(/^As of \d{4}-\d\d-\d\d/);
  });

  test("shows the whole percents that are reached, from 0.00 to 1.00", async () => {
    const limitOf = (used: number, limit: number) => ({
      ...{ policy: "p", limitName: "l", counters: [], unit: "total", window: "1h" },
      ...{ limit, used, held: 0, remaining: limit - used, resetsAt: "2026-04-01T00:00:00.000Z" },
    });
    const hundredths = Array.from({ length: 101 }, (_, used) => limitOf(used, 100));
    // One nano-USD before 29 % and 100 % of 1000 USD.
    const before = [limitOf(289_999_999_999, 1e12), limitOf(999_999_999_999, 1e12)];
    const limits = [...hundredths, ...before];
    const { rows } = await open(budgeted(BUDGET), { "v1/limits?max=100": { limits } });
    const shown = rows("limits").map((row) => Number(/\| (\d+) %\|/.exec(row)?.[1]));
    expect(shown).toEqual([...Array.from({ length: 101 }, (_, percent) => percent), 28, 99]);
  });

  test("says why it cannot be read", async () => {
    const service = budgeted(BUDGET, {
      overrides: {
        policies: () => {
          throw new Error("away");
        },
      },
    });
    const { nodes } = await open(service);
    expect(nodes.get("#state")?.textContent).toMatch(/^Cannot be read: /);
  });

  test("asks nothing of the network but the service", async () => {
    const { page } = await open(budgeted(BUDGET));
    expect(page.body).not.toMatch(/https?:|src=|@import|url\(/);
    expect(page.headers["content-security-policy"]).toMatch(
      /^default-src 'none'; connect-src 'self'; img-src data:; /,
    );
  });
});
