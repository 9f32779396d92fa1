/** The shipped YAML and JSON of envoy/, as the tests read it. */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseAllDocuments } from "yaml";

export const ENVOY_FOLDER = resolve(import.meta.dirname, "../../../envoy");

export type Plain = Record<string, unknown>;

/** Paths of all files below envoy/ with one of these endings. */
export function filesWith(...endings: string[]): string[] {
  return readdirSync(ENVOY_FOLDER, { recursive: true, encoding: "utf8" }).filter((file) =>
    endings.some((ending) => file.endsWith(ending)),
  );
}

export function textOf(file: string): string {
  return readFileSync(join(ENVOY_FOLDER, file), "utf8");
}

/** All documents of a YAML file. Throws where one has an error, or a warning. */
export function documentsOf(file: string): Plain[] {
  const documents = parseAllDocuments(textOf(file));
  if (!Array.isArray(documents)) throw new Error(`${file} is empty`);
  return documents.map((document) => {
    const [problem] = [...document.errors, ...document.warnings];
    if (problem !== undefined) throw new Error(`${file}: ${problem.message}`);
    return document.toJS() as Plain;
  });
}

/** The one object of a kind and a name in a file. */
export function objectIn(file: string, kind: string, name?: string): Plain {
  const found = documentsOf(file).filter(
    (object) =>
      object.kind === kind && (name === undefined || (object.metadata as Plain).name === name),
  );
  if (found[0] === undefined) throw new Error(`${file} has no ${kind} ${name ?? ""}`);
  return found[0];
}

/** What stands at a path; throws where nothing does. */
export function at<T = Plain>(value: unknown, ...path: (string | number)[]): T {
  return path.reduce<unknown>((inner, key) => {
    const next = (inner as Plain | undefined)?.[key as string];
    if (next === undefined) throw new Error(`nothing at ${path.join(".")}`);
    return next;
  }, value) as T;
}

/** Every value below with this key. */
export function allWith(value: unknown, key: string): unknown[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [
    ...(name === key ? [inner] : []),
    ...allWith(inner, key),
  ]);
}
