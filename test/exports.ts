/** What files export and what they import of each other. */
import { posix } from "node:path";
import type { Node } from "./sources.ts";

/** Takes every name that a file exports. */
const ALL = "*";

interface Import {
  /** From the project's folder. */
  file: string;
  name: string;
  /** false: `import type`, which may mean a type that has the value's name. */
  isValue: boolean;
}

export interface Module {
  file: string;
  values: string[];
  types: string[];
  imports: Import[];
}

/** Exported values that no other file imports, as file:name. */
export function unusedValues(modules: readonly Module[]): string[] {
  const used = new Set(
    modules.flatMap(({ file, imports }) =>
      imports.filter((its) => its.file !== file).map((its) => keyOf(its, its.isValue)),
    ),
  );
  return modules.flatMap(({ file, values, types }) =>
    values
      .filter((name) => {
        const keys = [keyOf({ file, name }, true), keyOf({ file, name: ALL }, true)];
        // A class is imported as a type, too, but a type beside a value stands for itself.
        if (!types.includes(name)) keys.push(keyOf({ file, name }, false));
        return !keys.some((key) => used.has(key));
      })
      .map((name) => `${file}:${name}`),
  );
}

function keyOf({ file, name }: { file: string; name: string }, isValue: boolean): string {
  return `${file} ${name} ${isValue}`;
}

/** Reads a file's imports and exports from its nodes. */
export function moduleOf(file: string, nodes: readonly Node[]): Module {
  const found: Module = { file, values: [], types: [], imports: [] };
  for (const node of nodes) {
    if (node.type === "ImportExpression") {
      found.imports.push(...importsOf(file, node, [{ name: ALL, isValue: true }]));
    } else if (node.type === "ImportDeclaration") {
      found.imports.push(...importsOf(file, node, (node.specifiers as Node[]).map(imported)));
    } else if (node.type === "ExportAllDeclaration") {
      found.imports.push(...importsOf(file, node, [{ name: ALL, isValue: true }]));
    } else if (node.type === "ExportDefaultDeclaration") {
      found.values.push("default");
    } else if (node.type === "ExportNamedDeclaration") {
      readExport(found, node);
    }
  }
  return found;
}

function readExport(found: Module, node: Node): void {
  const specifiers = node.specifiers as Node[];
  if (node.source !== null) {
    const names = specifiers.map((its) => ({ name: nameOf(its.local), isValue: isValue(its) }));
    found.imports.push(...importsOf(found.file, node, names));
  }
  for (const its of specifiers) {
    const isType = !isValue(node) || !isValue(its);
    found[isType ? "types" : "values"].push(nameOf(its.exported));
  }
  const declaration = node.declaration as Node | null;
  if (declaration === null) return;
  found[isValue(node) ? "values" : "types"].push(...declaredNames(declaration));
}

function isValue({ importKind, exportKind }: Node): boolean {
  return importKind !== "type" && exportKind !== "type";
}

function declaredNames(declaration: Node): string[] {
  if (declaration.type !== "VariableDeclaration") return [nameOf(declaration.id)];
  return (declaration.declarations as Node[]).flatMap(({ id }) => boundNames(id as Node));
}

/** Of a pattern, e.g. `{ a, b: c }`, what it binds. */
function boundNames(pattern: Node): string[] {
  if (pattern.type === "Identifier") return [nameOf(pattern)];
  const parts = (pattern.properties ?? pattern.elements ?? []) as (Node | null)[];
  return parts.flatMap((part) => (part === null ? [] : boundNames((part.value ?? part) as Node)));
}

function imported(specifier: Node) {
  const name =
    specifier.type === "ImportDefaultSpecifier"
      ? "default"
      : specifier.type === "ImportNamespaceSpecifier"
        ? ALL
        : nameOf(specifier.imported);
  return { name, isValue: isValue(specifier) };
}

function importsOf(
  file: string,
  node: Node,
  names: { name: string; isValue: boolean }[],
): Import[] {
  const source = (node.source as Node).value;
  if (typeof source !== "string" || !source.startsWith(".")) return [];
  const from = posix.join(posix.dirname(file), source);
  return names.map(({ name, isValue: its }) => ({
    file: from,
    name,
    isValue: its && isValue(node),
  }));
}

/** Names in quotes are literals. */
function nameOf(node: unknown): string {
  const { name, value } = node as { name?: string; value?: string };
  return name ?? value ?? "";
}
