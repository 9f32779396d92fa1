/** What a month leaves unused is there in the next one: policy, ledger, /v1/limits, previews. */
import { expect, test } from "vitest";
import { type BudgetedService, budgeted, request, settled } from "./budgeted-service.ts";
import { ask, settleAll } from "./service-fixture.ts";

const policy = (limit: number, carryOver: string) => `apiVersion: kuadrant.io/v1alpha1
kind: TokenRateLimitPolicy
metadata: {name: p}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: gw}
  limits:
    monthly:
      rates:
        - limit: ${limit}
          unit: output
          window: {calendar: month, timeZone: Europe/Paris${carryOver}}
      counters:
        - expression: request.headers["x-user"]
`;
const HALF = ", carryOver: 50";
/** Summer time begins in March: a month ends in Paris two hours before it does in UTC. */
const APRIL_MS = Date.parse("2026-03-31T22:00:00Z");
const MAY_MS = Date.parse("2026-04-30T22:00:00Z");

async function use(service: BudgetedService, id: string, outputTokens: number) {
  const { body } = await ask(service.app, request(id));
  if (body.verdict === "allow") {
    await settleAll(service.app, settled(request(id), [0, outputTokens]));
  }
  return body;
}

async function told({ app }: BudgetedService) {
  const { limits } = (await app.inject("/v1/limits")).json();
  return limits.map(({ limit, used, remaining }: Record<string, number>) => [
    limit,
    used,
    remaining,
  ]);
}

test("half of what is left is added for one month, and not carried on", async () => {
  const service = budgeted(policy(1000, HALF));
  await use(service, "march", 400);
  service.clock.nowMs = APRIL_MS - 1;
  expect(await told(service)).toEqual([[1000, 400, 600]]);
  service.clock.nowMs = APRIL_MS;
  expect(await told(service)).toEqual([[1300, 0, 1300]]);
  expect((await use(service, "april", 100)).responseHeaders).toMatchObject({
    "x-ratelimit-limit": "1300",
  });
  expect(await told(service)).toEqual([[1300, 100, 1200]]);
  service.clock.nowMs = MAY_MS;
  // Of April's own 1000, not of its 1300.
  expect(await told(service)).toEqual([[1450, 0, 1450]]);
});

test("a request is refused where all is used, what was carried over too", async () => {
  const service = budgeted(policy(1000, HALF));
  await use(service, "march", 400);
  service.clock.nowMs = APRIL_MS;
  await use(service, "a", 1299);
  expect((await use(service, "b", 1)).verdict).toBe("allow");
  const { verdict, deny } = await use(service, "c", 1);
  expect(verdict).toBe("deny");
  expect(JSON.parse(deny.body).error.message).toBe(
    'Limit "monthly" of policy "default/p" reached: 1300 of 1300 output tokens used in calendar ' +
      "month (Europe/Paris). Resets at 2026-04-30T22:00:00.000Z.",
  );
});

test("a policy that changes counts at once; one that goes leaves what held", async () => {
  const service = budgeted(policy(1000, HALF));
  await use(service, "march", 400);
  service.clock.nowMs = APRIL_MS;
  await use(service, "april", 100);
  service.use(policy(2000, HALF));
  expect(await told(service)).toEqual([[2300, 100, 2200]]);
  service.use(policy(50, HALF));
  expect(await told(service)).toEqual([[350, 100, 250]]);
  service.use(policy(2000, ""));
  expect(await told(service)).toEqual([[2000, 100, 1900]]);
  service.use();
  expect(await told(service)).toEqual([[1300, 100, 1200]]);
});

test("a preview counts it, also under a policy that has changed since", async () => {
  const service = budgeted(policy(1000, HALF));
  await use(service, "march", 400);
  service.clock.nowMs = APRIL_MS;
  await use(service, "april", 1100);
  const preview = async () => {
    const { attributes } = request("preview");
    const { path, headers } = attributes.request as Record<string, unknown>;
    const body = { path, headers, body: { model: "gpt-4o", messages: [] } };
    const answer = await service.app.inject({ method: "POST", url: "/v1/estimate", body });
    const { verdict, limits } = answer.json();
    return [verdict, limits[0].limit, limits[0].remaining];
  };
  expect(await preview()).toEqual(["allow", 1300, 200]);
  service.use(policy(900, HALF));
  expect(await preview()).toEqual(["allow", 1200, 100]);
  service.use(policy(800, HALF));
  expect(await preview()).toEqual(["deny", 1100, 0]);
});

test("a lease may take of what was carried over", async () => {
  const parts = async (carryOver: string) => {
    const service = budgeted(policy(200_000, carryOver));
    await use(service, "march", 140_000);
    service.clock.nowMs = APRIL_MS;
    await use(service, "april", 199_900);
    const { llm } = request("");
    const attributes = {
      "request.path": "/v1/chat/completions",
      "request.headers": { "x-user": "u1" },
    };
    for (let n = 1; n < 8; n += 1) await ask(service.app, { id: `w-${n}`, attributes, llm });
    return (await ask(service.app, { id: "w-8", attributes, llm })).body.lease?.parts;
  };
  expect(await parts("")).toBeUndefined();
  // 60,100 are left, and a 64th of them is 9 times 100 tokens.
  expect(await parts(", carryOver: 100")).toBe(9);
});
