import { expect, test } from "vitest";
import { compileExpression } from "../../../limitador-bridge/cel/expression.ts";
import type { CompiledLimit } from "../../../limitador-bridge/policy/kinds/token-rate-limit.ts";
import { MatchIndex } from "../../../limitador-bridge/policy/match-index.ts";

function limitWhen(source: string): CompiledLimit {
  const result = compileExpression(source, "bool");
  if ("problems" in result) throw new Error(result.problems[0]?.message);
  // The index looks at nothing else of a limit.
  return { rates: [{}], when: [result.expression] } as unknown as CompiledLimit;
}

test.each([
  ['request.path == "/a"', "/a", {}, 1],
  ['request.path == "/a"', "/b", {}, 0],
  ['request.path == "/%61//b"', "/a/b", {}, 1],
  ['request.headers["X-Tier"] == "gold"', "/a", { "x-tier": "gold" }, 1],
  ['request.headers["X-Tier"] == "gold"', "/a", { "x-tier": "free" }, 0],
  ['request.headers["X-Tier"] == "gold"', "/a", {}, 1],
  ['request.headers["Host"] == "a.test"', "/a", { ":authority": "a.test" }, 1],
  ['request.headers["Host"] == "a.test"', "/a", { ":authority": "b.test" }, 0],
  ['request.headers["Host"] == "A.test:80"', "/a", { ":authority": "a.test" }, 1],
])("%s is looked at for %s %j: %d", (source, path, headers, count) => {
  const index = new MatchIndex([limitWhen(source)]);
  expect(index.candidates(path, new Map(Object.entries(headers)))).toHaveLength(count);
});
