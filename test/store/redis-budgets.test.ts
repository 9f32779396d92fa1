/** Budgets where the ledger is on Redis: notes, grants and decisions that replicas share. */
import { afterAll, describe, expect, test } from "vitest";
import { GrantBook } from "../../limitador-bridge/budget/grants.ts";
import { RedisStore } from "../../limitador-bridge/ledger/store/redis.ts";
import { RedisNotes } from "../../limitador-bridge/notes/redis-notes.ts";
import { budgeted, request, settled, WORST } from "../unit/service/budgeted-service.ts";
import { ask, settleAll } from "../unit/service/service-fixture.ts";
import { startRedis } from "./redis/redis-server.ts";

const server = await startRedis();
afterAll(() => server.stop());

let count = 0;
const nextUrl = (): string => {
  count += 1;
  return `redis://127.0.0.1:${server.port}?prefix=b${count}`;
};
const warnings: string[] = [];
const notesAt = (url: string) => new RedisNotes(url, 2000, (message) => warnings.push(message));

describe("notes on Redis", () => {
  const note = (key: string, expiresAtMs: number) => ({ key, text: `text of ${key}`, expiresAtMs });

  test("one of many replicas writes a key, and all read it", async () => {
    const url = nextUrl();
    const replicas = [notesAt(url), notesAt(url)];
    const far = note("a/1", Date.now() + 60_000);
    const added = await Promise.all(
      Array.from({ length: 20 }, (_, i) => replicas[i % 2]?.add(far)),
    );
    expect(added.filter((isNew) => isNew)).toHaveLength(1);
    await replicas[0]?.add(note("b/1", far.expiresAtMs));
    expect(await replicas[1]?.list("a/")).toEqual([far]);
    for (const replica of replicas) await replica.close();
    expect(warnings).toEqual([]);
  });

  test("what is over is gone, and can be written anew", async () => {
    const notes = notesAt(nextUrl());
    await notes.add(note("a", Date.now() - 1));
    expect(await notes.list("")).toEqual([]);
    await notes.add(note("b", Date.now() - 1));
    const again = note("b", Date.now() + 60_000);
    expect(await notes.add(again)).toBe(true);
    expect(await notes.list("")).toEqual([again]);
    await notes.close();
  });

  test("a grant of one replica is in force on the other", async () => {
    const url = nextUrl();
    const [here, there] = [notesAt(url), notesAt(url)];
    const grant = await new GrantBook(here).add({
      team: "blue",
      amountNanoUsd: 5,
      createdAtMs: Date.now(),
      expiresAtMs: Date.now() + 60_000,
      reason: "r",
      author: "a",
    });
    const other = new GrantBook(there);
    await other.refresh(Date.now());
    expect(other.list({ team: "blue" }, Date.now())).toEqual([grant]);
    await here.close();
    await there.close();
  });

  test("a grant that Redis has lost is noted again, and read by a new replica", async () => {
    const url = nextUrl();
    const notes = notesAt(url);
    const grants = new GrantBook(notes);
    const nowMs = Date.now();
    const terms = { team: "blue", amountNanoUsd: 5, createdAtMs: nowMs, reason: "r", author: "a" };
    const grant = await grants.add({ ...terms, expiresAtMs: nowMs + 60_000 });
    await grants.add({ ...terms, expiresAtMs: nowMs - 1 });
    const prefix = new URL(url).searchParams.get("prefix");
    expect(await server.client.del(`${prefix}:{notes}`)).toBe(1);
    await grants.refresh(nowMs);
    await grants.refresh(nowMs);
    const added = new GrantBook(notes);
    await added.refresh(nowMs);
    expect(added.list({ team: "blue" }, nowMs)).toEqual([grant]);
    expect(await notes.list("")).toHaveLength(1);
    await notes.close();
  });
});

test("two replicas share a budget: downgraded at 80 %, refused at 100 %", async () => {
  const url = nextUrl();
  const spec = `  team: blue
  monthlyBudgetUSD: 0.02
  overshootPercent: 0
  alertThresholds: [{percent: 80, action: alert_and_downgrade}]
  defaultModel: gpt-4o-mini
`;
  const stores = [new RedisStore(url), new RedisStore(url)];
  const replicas = stores.map((store) => budgeted(spec, { store: () => store }));
  const answers = await Promise.all(
    Array.from({ length: 200 }, async (_, i) => {
      const service = replicas[i % 2] as (typeof replicas)[number];
      const asked = request(`p${i}`);
      return { asked, service, ...(await ask(service.app, asked)).body };
    }),
  );
  const admitted = answers.filter(({ verdict }) => verdict === "allow");
  const models = admitted.map(({ model }) => model ?? "gpt-4o");
  // 15 × 1,027,500 nano-USD are below 80 % of 0.02 USD; what is left is for 74 cheaper ones.
  expect(models.filter((model) => model === "gpt-4o")).toHaveLength(15);
  expect(models.filter((model) => model === "gpt-4o-mini")).toHaveLength(74);
  const state = async () => (await replicas[0]?.app.inject("/v1/budgets"))?.json().budgets[0];
  const heldNanoUsd = 15 * WORST["gpt-4o"] + 74 * WORST["gpt-4o-mini"];
  expect(await state()).toMatchObject({ spentNanoUsd: 0, heldNanoUsd });
  const denied = answers.find(({ verdict }) => verdict === "deny");
  expect(denied?.deny.headers["x-tollgate-reason"]).toBe("monthly_budget_exceeded");
  for (const { asked, service, model } of admitted) {
    const sent = model === undefined ? {} : { modelSent: model };
    await settleAll(service.app, settled(asked, [10, 10], sent));
  }
  // 10 tokens of input and 10 of output on each.
  const spentNanoUsd = 15 * 125_000 + 74 * 7_500;
  expect(await state()).toMatchObject({ spentNanoUsd, heldNanoUsd: 0 });
  for (const store of stores) await store.close();
});
