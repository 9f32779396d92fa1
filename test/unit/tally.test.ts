import { expect, test } from "vitest";
import { createTally } from "../../limitador-bridge/tally.ts";

function tally() {
  const handed: [readonly (string | null)[], number][] = [];
  const made = createTally(
    () => ({ count: 0 }),
    (labels, { count }) => handed.push([labels, count]),
  );
  return { ...made, handed };
}

test("one entry for the same labels, handed on once, in the order in which they began", () => {
  const { of, flush, handed } = tally();
  of(["b", null]).count += 1;
  of(["a", "x"]).count += 2;
  of(["b", null]).count += 3;
  expect(handed).toEqual([]);
  flush();
  flush();
  expect(handed).toEqual([
    [["b", null], 4],
    [["a", "x"], 2],
  ]);
});

test("labels that only look alike are apart", () => {
  const { of, flush, handed } = tally();
  of(["a", "b"]).count += 1;
  of(['a","b']).count += 1;
  of(["null"]).count += 1;
  of([null]).count += 1;
  flush();
  expect(handed).toHaveLength(4);
});

test("after 1,000 entries they are handed on before the next one begins", () => {
  const { of, flush, handed } = tally();
  for (let n = 0; n < 1_001; n += 1) of([`model-${n}`]).count += 1;
  expect(handed).toHaveLength(1_000);
  of(["model-0"]).count += 1;
  flush();
  expect(handed.slice(1_000)).toEqual([
    [["model-1000"], 1],
    [["model-0"], 1],
  ]);
});
