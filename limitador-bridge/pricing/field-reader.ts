/** Reads fields of a plain value and collects what is wrong with them. */
import { isObject, type RawObject } from "../usage/figures.ts";

export type Path = (string | number)[];

/** What is wrong, and the way from the document's root to where. */
export interface TableProblem {
  path: Path;
  message: string;
}

const MAX_SHOWN = 60;

export class FieldReader {
  readonly problems: TableProblem[] = [];

  problem(path: Path, message: string): void {
    this.problems.push({ path, message });
  }

  expected(path: Path, what: string, found: unknown): void {
    this.problem(path, `expected ${what}, found ${shown(found)}`);
  }

  /** A map; with `keys` all others are problems. null: it is none. */
  map(value: unknown, path: Path, keys: readonly string[] | null): RawObject | null {
    if (!isObject(value)) {
      // Of a field that is missing because its parent is, the parent was told.
      if (!this.#isKnown(path)) this.expected(path, "a map", value);
      return null;
    }
    for (const key of Object.keys(value)) {
      if (keys === null || keys.includes(key)) continue;
      this.problem([...path, key], `unknown field; expected one of ${keys.join(", ")}`);
    }
    return value;
  }

  /** A list with something in it; empty where it is none. */
  list(value: unknown, path: Path): unknown[] {
    if (Array.isArray(value) && value.length > 0) return value;
    if (!this.#isKnown(path)) this.expected(path, "a list that is not empty", value);
    return [];
  }

  /** A string with something in it. */
  text(value: unknown, path: Path): string | null {
    if (typeof value === "string" && value !== "") return value;
    if (!this.#isKnown(path)) this.expected(path, "a string that is not empty", value);
    return null;
  }

  optionalText(value: unknown, path: Path): string | null {
    return value === undefined ? null : this.text(value, path);
  }

  /** An integer above 0. */
  count(value: unknown, path: Path): number | null {
    if (typeof value === "number" && Number.isSafeInteger(value) && value > 0) return value;
    if (!this.#isKnown(path)) this.expected(path, "an integer above 0", value);
    return null;
  }

  optionalCount(value: unknown, path: Path): number | null {
    return value === undefined ? null : this.count(value, path);
  }

  constant(value: unknown, path: Path, wanted: string): void {
    if (value === wanted || this.#isKnown(path)) return;
    this.expected(path, JSON.stringify(wanted), value);
  }

  /** Something above a path was already found wrong. */
  #isKnown(path: Path): boolean {
    return this.problems.some(
      (problem) =>
        problem.path.length < path.length &&
        problem.message.startsWith("expected a") &&
        problem.path.every((key, index) => key === path[index]),
    );
  }
}

function shown(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return "a map";
  const text = JSON.stringify(value) ?? String(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN - 3)}…` : text;
}
