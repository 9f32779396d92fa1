/**
 * Which files the service would start with. One that it refuses keeps it from starting, and then
 * nothing is limited at all; so while it is not there, such files are kept back. Pure.
 */
import { SERVICE_KINDS } from "../admission/price-source.ts";
import { loadPolicyTexts, problemText } from "../policy/load.ts";

export interface Startable {
  texts: Map<string, string>;
  /** What is wrong with the newest version of each file that is kept back. */
  refused: Map<string, string>;
}

export interface StartParts {
  /** By file name, those that go before first. */
  wanted: ReadonlyMap<string, string>;
  /** Of the files of other origin in the policy folder; they go before all of these. */
  others: ReadonlyMap<string, string>;
  /** The last version of each file that the service accepted, as far as one is known. */
  lastGood: ReadonlyMap<string, string>;
}

type Texts = ReadonlyMap<string, string>;

/** Problems by file name, as the service itself would find them. */
function problemsIn(others: Texts, wanted: Texts): Map<string, string> {
  // Names of the two kinds never meet: a file of another origin has its path.
  const { files } = loadPolicyTexts(new Map([...others, ...wanted]), { kinds: SERVICE_KINDS });
  return new Map(
    [...wanted.keys()].flatMap((name) => {
      const problems = files.get(name)?.problems ?? [];
      return problems.length === 0 ? [] : [[name, problems.map(problemText).join("\n")] as const];
    }),
  );
}

function without(texts: Texts, names: ReadonlyMap<string, unknown>): Map<string, string> {
  return new Map([...texts].filter(([name]) => !names.has(name)));
}

/** The newest version of each file that can be; else the last good one; else none. */
export function startable({ wanted, others, lastGood }: StartParts): Startable {
  const refused = problemsIn(others, wanted);
  const texts = without(wanted, refused);
  const former = new Map([...lastGood].filter(([name]) => refused.has(name)));
  if (former.size === 0) return { texts, refused };
  const still = problemsIn(new Map([...others, ...texts]), former);
  return { texts: new Map([...texts, ...without(former, still)]), refused };
}
