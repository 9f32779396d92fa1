/** One policy file: its YAML documents, recognised, checked and compiled. Pure. */
import { LineCounter, parseAllDocuments } from "yaml";
import type { PolicyKind } from "./kinds/kind.ts";
import { findKind } from "./kinds/registry.ts";
import type { PolicyProblem } from "./policy-set.ts";
import { SourceDocument } from "./source-document.ts";
import { quoteTernaries } from "./ternary-quotes.ts";

export interface PolicyDocument {
  source: SourceDocument;
  /** Null: ignored, or not recognised. */
  kind: PolicyKind | null;
  /** What the kind made of it; null where there are problems or it is not enforced. */
  object: unknown;
  problems: PolicyProblem[];
  /** Why a known kind is not enforced. */
  refusal: string | null;
  ignored: boolean;
}

export interface PolicyFile {
  file: string;
  text: string;
  documents: PolicyDocument[];
  /** Syntax errors and the documents' problems; the file serves only where there are none. */
  problems: PolicyProblem[];
}

interface Parsed {
  sources: SourceDocument[];
  problems: PolicyProblem[];
}

function parse(file: string, text: string): Parsed {
  const parsed = parseText(file, text);
  if (parsed.problems.length === 0) return parsed;
  const quoted = quoteTernaries(text);
  return quoted === text ? parsed : parseText(file, quoted);
}

function parseText(file: string, text: string): Parsed {
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
  const problems: PolicyProblem[] = [];
  const sources: SourceDocument[] = [];
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { file, line, column: col, field: "" };
  };
  for (const yaml of "empty" in parsed ? [] : parsed) {
    for (const { pos, message } of yaml.errors) {
      problems.push({ ...at(pos[0]), message: `YAML: ${message}` });
    }
    if (yaml.errors.length > 0) continue;
    try {
      const source = new SourceDocument(file, text, yaml, lines);
      if (source.value !== null) sources.push(source);
    } catch (error) {
      const message = `YAML: ${(error as Error).message}`;
      problems.push({ ...at(yaml.range[0]), message });
    }
  }
  return { sources, problems };
}

function unrecognised(source: SourceDocument, problems: PolicyProblem[]): PolicyDocument {
  return {
    source,
    kind: null,
    object: null,
    problems,
    refusal: null,
    ignored: problems.length === 0,
  };
}

function recognise(source: SourceDocument, kinds: readonly PolicyKind[]): PolicyDocument {
  for (const field of ["apiVersion", "kind"] as const) {
    if (source[field] === null) {
      const message = "is missing: expected a Kubernetes object with apiVersion, kind and metadata";
      return unrecognised(source, [source.problem([field], message)]);
    }
  }
  const match = findKind(kinds, source.apiVersion as string, source.kind as string);
  if (match === "ignored") return unrecognised(source, []);
  if ("problem" in match)
    return unrecognised(source, [source.problem([match.field], match.problem)]);
  const { kind } = match;
  if (source.name === null) {
    const problem = source.problem(["metadata", "name"], "is missing: expected a name");
    return { source, kind, object: null, problems: [problem], refusal: null, ignored: false };
  }
  const { object, problems, refusal = null } = kind.load(source);
  return { source, kind, object, problems, refusal, ignored: false };
}

/** Reads the text of one file. Never throws; what is wrong is in the result's problems. */
export function parsePolicyFile(
  file: string,
  text: string,
  kinds: readonly PolicyKind[],
): PolicyFile {
  const { sources, problems } = parse(file, text);
  const documents = sources.map((source) => recognise(source, kinds));
  return {
    file,
    text,
    documents,
    problems: [...problems, ...documents.flatMap((document) => document.problems)],
  };
}
