/** The YAML documents of a policy file. Pure. */
import { LineCounter, parseAllDocuments } from "yaml";
import type { PolicyProblem } from "./policy-set.ts";
import { type ParsedDocument, SourceDocument } from "./source-document.ts";
import { quoteTernaries } from "./ternary-quotes.ts";
import { readYamlValues } from "./yaml-values.ts";

export interface YamlFile {
  /** Those that are not empty. */
  sources: SourceDocument[];
  /** Syntax errors. */
  problems: PolicyProblem[];
}

/** Reads the documents of one file. Never throws; what is wrong is in the result's problems. */
export function readYamlFile(file: string, text: string): YamlFile {
  const values = readYamlValues(text);
  if (values !== null) return { sources: lazySources(file, text, values), problems: [] };
  const parsed = parseText(file, text);
  if (parsed.problems.length === 0) return parsed;
  const quoted = quoteTernaries(text);
  return quoted === text ? parsed : parseText(file, quoted);
}

/** Documents without positions; the first that is asked for one has the whole file parsed. */
function lazySources(file: string, text: string, values: unknown[]): SourceDocument[] {
  let documents: ParsedDocument[] | undefined;
  return values.map(
    (value, i) =>
      new SourceDocument(file, value, () => {
        documents ??= parseDocuments(text).filter(({ yaml }) => yaml.toJS() !== null);
        // Should the libraries ever count documents otherwise, a wrong place is better than none.
        return (documents[i] ?? documents[0]) as ParsedDocument;
      }),
  );
}

function parseDocuments(text: string): ParsedDocument[] {
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
  return "empty" in parsed ? [] : parsed.map((yaml) => ({ yaml, lines, text }));
}

function parseText(file: string, text: string): YamlFile {
  const problems: PolicyProblem[] = [];
  const sources: SourceDocument[] = [];
  for (const parsed of parseDocuments(text)) {
    const { yaml, lines } = parsed;
    const refuse = (offset: number, message: string) => {
      const { line, col } = lines.linePos(offset);
      problems.push({ file, line, column: col, field: "", message: `YAML: ${message}` });
    };
    for (const { pos, message } of yaml.errors) refuse(pos[0], message);
    if (yaml.errors.length > 0) continue;
    try {
      const value: unknown = yaml.toJS({ maxAliasCount: 100 });
      if (value !== null) sources.push(new SourceDocument(file, value, () => parsed));
    } catch (error) {
      // Aliases that expand without end.
      refuse(yaml.range[0], (error as Error).message);
    }
  }
  return { sources, problems };
}
