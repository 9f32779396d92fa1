/** How many steps a backtracking engine takes to look for a pattern, counted and not timed. */
import { type PatternNode, parsePattern } from "../../../limitador-bridge/cel/regex-syntax.ts";

type Continue = (at: number) => boolean;

class TooManySteps extends Error {}

class Search {
  steps = 0;
  readonly subject: string;
  readonly #most: number;

  constructor(subject: string, most: number) {
    this.subject = subject;
    this.#most = most;
  }

  step(): void {
    if (++this.steps > this.#most) throw new TooManySteps();
  }

  alternatives(sequences: PatternNode[][], at: number, then: Continue): boolean {
    return sequences.some((sequence) => this.sequence(sequence, 0, at, then));
  }

  sequence(nodes: PatternNode[], index: number, at: number, then: Continue): boolean {
    const node = nodes[index];
    if (node === undefined) return then(at);
    return this.node(node, at, (after) => this.sequence(nodes, index + 1, after, then));
  }

  node(node: PatternNode, at: number, then: Continue): boolean {
    this.step();
    if (node.kind === "group") return this.alternatives(node.alternatives, at, then);
    if (node.kind === "repeat") return this.repeat(node, 0, at, then);
    const { text } = node;
    if (node.kind === "item") {
      const isIt = at < this.subject.length && itemTest(text).test(this.subject[at] as string);
      return isIt && then(at + 1);
    }
    const isHere = new RegExp(text, "y");
    isHere.lastIndex = at;
    return isHere.test(this.subject) && then(at);
  }

  /** Greedy, as the engine is; a round that takes nothing is the last one. */
  repeat(
    node: PatternNode & { kind: "repeat" },
    done: number,
    at: number,
    then: Continue,
  ): boolean {
    const again = (after: number): boolean =>
      (after > at || done < node.min) && this.repeat(node, done + 1, after, then);
    if (done < node.max && this.node(node.node, at, again)) return true;
    return done >= node.min && then(at);
  }
}

const tests = new Map<string, RegExp>();

function itemTest(text: string): RegExp {
  let found = tests.get(text);
  if (found === undefined) {
    found = new RegExp(`^(?:${text})$`);
    tests.set(text, found);
  }
  return found;
}

/**
 * Looks for `pattern` anywhere in `subject`.
 *
 * @param pattern without flags
 * @param most steps after which it stops
 * @returns the steps that it took; Infinity: more than `most`
 */
export function countedSteps(pattern: string, subject: string, most: number): number {
  const search = new Search(subject, most);
  const alternatives = parsePattern(pattern);
  try {
    for (let start = 0; start <= subject.length; start++) {
      if (search.alternatives(alternatives, start, () => true)) break;
    }
  } catch (error) {
    if (error instanceof TooManySteps) return Number.POSITIVE_INFINITY;
    throw error;
  }
  return search.steps;
}
