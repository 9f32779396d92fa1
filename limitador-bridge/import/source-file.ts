/** A configuration of another gateway, read so that every field can be named with its line. */
import { type Document, isNode, LineCounter, parseDocument } from "yaml";
import { type FieldPath, fieldText } from "../policy/source-document.ts";

/** Something that is not carried over as it was, or not at all. */
export interface Remark {
  line: number;
  /** e.g. endpoints[0].extra_config["governance/quota"].tiers[1] */
  field: string;
  message: string;
}

/** What cannot be translated at all: a file that cannot be read, a name that is none. */
export class ImportError extends Error {}

/** `file:line: field: message` */
export function remarkText(file: string, { line, field, message }: Remark): string {
  return field === "" ? `${file}:${line}: ${message}` : `${file}:${line}: ${field}: ${message}`;
}

/** The document, and the remarks that are made on it. */
export class SourceFile {
  readonly value: unknown;
  readonly remarks: Remark[] = [];
  readonly #yaml: Document;
  readonly #lines = new LineCounter();

  /** @throws ImportError for what is neither JSON nor YAML */
  constructor(file: string, text: string) {
    // JSON is YAML, and this parser knows where everything stands.
    this.#yaml = parseDocument(text, { lineCounter: this.#lines, uniqueKeys: false });
    const [error] = this.#yaml.errors;
    if (error !== undefined) {
      const { line } = this.#lines.linePos(error.pos[0]);
      const [what = ""] = error.message.split("\n");
      throw new ImportError(
        `${file}:${line}: neither JSON nor YAML: ${what.replace(/ at line.*/, "")}`,
      );
    }
    this.value = this.#yaml.toJS({ maxAliasCount: 100 });
  }

  /** Notes something about a field; of a field that is missing, the nearest around it. */
  remark(path: FieldPath, message: string): void {
    this.remarks.push({ line: this.#lineOf(path), field: fieldText(path), message });
  }

  /** The remarks in the order of their lines, each once. */
  sortedRemarks(): Remark[] {
    const seen = new Map(this.remarks.map((remark) => [JSON.stringify(remark), remark]));
    return [...seen.values()].sort((a, b) => a.line - b.line);
  }

  #lineOf(path: FieldPath): number {
    for (let length = path.length; length > 0; length--) {
      const node = this.#yaml.getIn(path.slice(0, length), true);
      if (isNode(node) && node.range) return this.#lines.linePos(node.range[0]).line;
    }
    return 1;
  }
}
