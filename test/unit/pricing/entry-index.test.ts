import { describe, expect, test } from "vitest";
import { EntryIndex } from "../../../limitador-bridge/pricing/entry-index.ts";
import {
  compilePriceTable,
  type PriceTable,
} from "../../../limitador-bridge/pricing/price-table.ts";

/** A table of entries `match [provider [validFrom]]`, each with its text as its source. */
function table(...entries: string[]): PriceTable {
  const models = entries.map((text) => {
    const [match, provider, validFrom] = text.split(" ");
    return {
      match,
      ...(provider === undefined || provider === "-" ? {} : { provider }),
      ...(validFrom === undefined ? {} : { validFrom }),
      perMillionTokensUSD: { input: 1 },
      source: text,
    };
  });
  const { table: compiled } = compilePriceTable({
    apiVersion: "tollgate.dev/v1alpha1",
    kind: "PriceTable",
    metadata: { name: "t" },
    spec: { models },
  });
  if (compiled === null) throw new Error("no table");
  return compiled;
}

const NOW = Date.parse("2026-11-21T00:00:00Z");

describe("which entry counts", () => {
  test.each<[string, PriceTable[], PriceTable[], string | null, string | null]>([
    ["none", [table("other")], [], "openai", null],
    ["a name before a glob", [table("gpt*", "gpt-4o")], [], "openai", "gpt-4o"],
    ["the longer glob", [table("g*", "gpt-4*")], [], "openai", "gpt-4*"],
    ["the policies' of two equal ones", [table("gpt-4o")], [table("GPT-4o")], null, "gpt-4o"],
    [
      "…also where the other names the provider",
      [table("gpt-4o")],
      [table("gpt-4o openai")],
      "openai",
      "gpt-4o",
    ],
    ["a more specific one of PRICES", [table("gpt-*")], [table("gpt-4o")], "openai", "gpt-4o"],
    [
      "this provider's before no provider's",
      [table("gpt-4o", "gpt-4o openai")],
      [],
      "openai",
      "gpt-4o openai",
    ],
    ["no provider's before another's", [table("gpt-4o", "gpt-4o azure")], [], "openai", "gpt-4o"],
    [
      "one of PRICES before another provider's",
      [table("gpt-4o azure")],
      [table("gpt-4o -")],
      "openai",
      "gpt-4o -",
    ],
    [
      "not another provider's, though it is more specific",
      [table("gpt-4o azure", "gpt-4* -")],
      [],
      "openai",
      "gpt-4* -",
    ],
    [
      "another provider's where nobody knows who served",
      [table("gpt-4o azure")],
      [],
      null,
      "gpt-4o azure",
    ],
    [
      "the one that is valid since later",
      [table("gpt-4o - 2026-11-02", "gpt-4o - 2026-11-01")],
      [],
      null,
      "gpt-4o - 2026-11-02",
    ],
    ["none of tomorrow", [table("gpt-4o - 2026-11-22")], [], null, null],
  ])("%s", (_, tables, baseTables, provider, source) => {
    const index = new EntryIndex(tables, baseTables);
    expect(index.find("gpt-4o", provider, NOW)?.source ?? null).toBe(source);
  });

  test("the policies' stand first in a list", () => {
    const { entries } = new EntryIndex([table("a", "b")], [table("c")]);
    expect(entries.map(({ match }) => match)).toEqual(["a", "b", "c"]);
  });

  test("names are looked up, however many there are", () => {
    const names = Array.from({ length: 3000 }, (_, at) => `model-${at}`);
    const index = new EntryIndex([], [table(...names)]);
    const start = performance.now();
    for (let i = 0; i < 20_000; i++) index.find("MODEL-2999", "openai", NOW);
    expect(index.find("MODEL-2999", "openai", NOW)?.match).toBe("model-2999");
    // A scan would take more than a minute.
    expect(performance.now() - start).toBeLessThan(5_000);
  });
});
