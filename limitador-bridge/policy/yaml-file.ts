/** The YAML documents of a policy file. Pure. */
import { LineCounter, parseAllDocuments } from "yaml";
import { type DocumentText, documentTexts } from "./document-texts.ts";
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

/** Documents without positions; one that is asked for them is parsed, and no other. */
function lazySources(file: string, text: string, values: unknown[]): SourceDocument[] {
  let texts: DocumentText[] | undefined;
  return values.map((value, i) => {
    let parsed: ParsedDocument | undefined;
    return new SourceDocument(file, value, () => {
      texts ??= documentTexts(text);
      const own = texts.length === values.length ? texts[i] : undefined;
      parsed ??= own === undefined ? parseNth(text, i) : parseDocuments(own)[0];
      return parsed as ParsedDocument;
    });
  });
}

/** One of the documents that say something, where the whole text has to be read to find it. */
function parseNth(text: string, index: number): ParsedDocument | undefined {
  const documents = parseDocuments({ text, linesBefore: 0 }).filter(
    ({ yaml }) => yaml.toJS() !== null,
  );
  // Should the libraries ever count documents otherwise, a wrong place is better than none.
  return documents[index] ?? documents[0];
}

function parseDocuments({ text, linesBefore }: DocumentText): ParsedDocument[] {
  const counter = new LineCounter();
  const lines = {
    linePos: (offset: number) => {
      const { line, col } = counter.linePos(offset);
      return { line: line + linesBefore, col };
    },
  };
  const parsed = parseAllDocuments(text, { lineCounter: counter, prettyErrors: false });
  return "empty" in parsed ? [] : parsed.map((yaml) => ({ yaml, lines, text }));
}

function parseText(file: string, text: string): YamlFile {
  const problems: PolicyProblem[] = [];
  const sources: SourceDocument[] = [];
  for (const parsed of parseDocuments({ text, linesBefore: 0 })) {
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
