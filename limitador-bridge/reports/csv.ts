/** CSV as RFC 4180 has it, read and written. Pure. */

/** RFC 4180 section 2.6: fields with line breaks, double quotes and commas are quoted. */
const NEEDS_QUOTES = /[",\r\n]/;
/**
 * A spreadsheet takes a cell that begins like this for a formula, and clients choose the names of
 * users and models: such text is given an apostrophe (OWASP, CSV Injection).
 */
const FORMULA = /^[=+\-@\t\r]/;

/** A field of free text. */
export function csvText(value: string | null): string {
  const text = value ?? "";
  return csvField(FORMULA.test(text) ? `'${text}` : text);
}

/** A field that is known to be no formula: a number, a time. */
export function csvField(value: string): string {
  return NEEDS_QUOTES.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

/** Lines of fields that are already written as fields, each ended by CRLF. */
export function csvLines(rows: readonly (readonly string[])[]): string {
  return rows.map((row) => `${row.join(",")}\r\n`).join("");
}

export interface CsvRow {
  /** Line of the file on which the row begins, from 1. */
  line: number;
  fields: string[];
}

/** Text that is no CSV; `line` is where the trouble begins. */
export class CsvError extends Error {
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

/**
 * Reads CSV; empty lines are left out, a byte order mark is no data.
 * @throws CsvError for a quote that is not closed or stands inside of an unquoted field.
 */
export function parseCsv(text: string): CsvRow[] {
  const rows: CsvRow[] = [];
  const field = /(?:"([^"]*(?:""[^"]*)*)"|([^",\r\n]*))(,|\r?\n|\r|$)/y;
  let row: CsvRow = { line: 1, fields: [] };
  let line = 1;
  field.lastIndex = text.startsWith("\uFEFF") ? 1 : 0;
  while (field.lastIndex < text.length || row.fields.length > 0) {
    const found = field.exec(text);
    if (found === null)
      throw new CsvError(line, "a double quote that is not closed or not escaped");
    const [, quoted, plain = "", end = ""] = found;
    row.fields.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    line += (quoted?.match(/\r\n|\r|\n/g) ?? []).length;
    if (end === ",") continue;
    line++;
    if (row.fields.length > 1 || row.fields[0] !== "") rows.push(row);
    row = { line, fields: [] };
  }
  return rows;
}
