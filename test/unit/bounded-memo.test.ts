import { expect, test } from "vitest";
import { boundedMemo, remembered } from "../../limitador-bridge/bounded-memo.ts";

function counted() {
  const calls: string[] = [];
  const memo = boundedMemo((text) => {
    calls.push(text);
    return text === "none" ? null : text.length;
  });
  return { memo, calls };
}

test("a text is looked at once, also where nothing came of it", () => {
  const { memo, calls } = counted();
  expect([memo("ab"), memo("none"), memo("ab"), memo("none")]).toEqual([2, null, 2, null]);
  expect(calls).toEqual(["ab", "none"]);
});

test("long texts are not remembered", () => {
  const { memo, calls } = counted();
  const [longest, longer] = ["x".repeat(512), "x".repeat(513)];
  for (const text of [longest, longest, longer, longer]) memo(text);
  expect(calls).toEqual([longest, longer, longer]);
});

test("after 1,000 texts it begins anew", () => {
  const { memo, calls } = counted();
  for (let n = 0; n < 1_000; n += 1) memo(`t${n}`);
  memo("t0");
  expect(calls).toHaveLength(1_000);
  memo("one more");
  memo("t0");
  expect(calls.slice(1_000)).toEqual(["one more", "t0"]);
});

test("what is found for a key is found once; too many are all forgotten", () => {
  const known = new Map<string, string | null>();
  const found: string[] = [];
  const find = (key: string) =>
    remembered(known, 2, key, () => {
      found.push(key);
      return key === "none" ? null : `of ${key}`;
    });
  expect(["a", "none", "a", "none", "b", "a"].map(find)).toEqual([
    "of a",
    null,
    "of a",
    null,
    "of b",
    "of a",
  ]);
  expect(found).toEqual(["a", "none", "b", "a"]);
  expect([...known.keys()]).toEqual(["b", "a"]);
});
