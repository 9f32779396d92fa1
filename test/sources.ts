/** The project's own sources, and their syntax as the bundler's parser reads it. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { parseSync } from "rolldown/utils";

export interface Node {
  type: string;
  /** Offsets in the text. */
  start: number;
  end: number;
  [field: string]: unknown;
}

/** Files that git knows, or would take, from the project's folder; deleted ones are left out. */
export function projectFiles(...patterns: string[]): string[] {
  const args = ["ls-files", "--cached", "--others", "--exclude-standard", ...patterns];
  const listed = execFileSync("git", args, { encoding: "utf8" }).split("\n");
  return [...new Set(listed)].filter((file) => file !== "" && existsSync(file));
}

/** As nodesIn, of a file. */
export function nodesOf(file: string): Node[] {
  return nodesIn(file, readFileSync(file, "utf8"));
}

/**
 * Every node of a text, a parent before what is in it. AssemblyScript is read as TypeScript.
 * @param file what the text is called; its ending says the language
 * @throws Error that names the file where it cannot be read
 */
export function nodesIn(file: string, text: string): Node[] {
  const { program, errors } = parseSync(file, text);
  if (errors[0] !== undefined) throw new Error(`${file}: ${errors[0].message}`);
  const nodes: Node[] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    if ("type" in value && "start" in value) nodes.push(value as Node);
    for (const field of Object.values(value)) visit(field);
  };
  visit(program);
  return nodes;
}
