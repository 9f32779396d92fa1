/** A provider's invoice as CSV: what it charges for each model. Pure. */
import { parseDecimal } from "../pricing/decimal.ts";
import { CsvError, type CsvRow, parseCsv } from "./csv.ts";
import type { Period } from "./period.ts";

/** Names of columns, lower case and without spaces, dashes and underscores; the first wins. */
const MODEL_COLUMNS = ["model", "modelname", "modelid", "resourceid", "resourcename", "sku"];
const COST_COLUMNS = ["costusd", "cost", "billedcost", "amountusd", "amount", "usd", "total"];
const DATE_COLUMNS = ["date", "day", "usagedate", "chargeperiodstart", "starttime", "time"];
const NANO_PER_USD = 1_000_000_000n;

/** An invoice that cannot be read: `file:line: what is wrong`. */
export class InvoiceError extends Error {}

export interface Invoice {
  /** nano-USD by model as the invoice names it; each line rounded to the nearest. */
  models: Map<string, bigint>;
  /** Lines whose date is outside of the period. */
  otherDates: number;
}

interface Columns {
  model: number;
  cost: number;
  date: number | null;
}

/**
 * Reads an invoice. Columns are found by their names in the first line; without such a line they
 * are model, cost or date, model, cost.
 * @param file its name, for messages
 * @throws InvoiceError
 */
export function readInvoice(text: string, file: string, period: Period): Invoice {
  const rows = rowsOf(text, file);
  const [first] = rows;
  if (first === undefined) throw new InvoiceError(`${file}: expected lines of CSV, found none`);
  const named = namedColumns(first.fields);
  const columns = named ?? placedColumns(first, file);
  const invoice: Invoice = { models: new Map(), otherDates: 0 };
  for (const row of named === null ? rows : rows.slice(1)) {
    if (!isInPeriod(row, columns, period, file)) {
      invoice.otherDates++;
      continue;
    }
    const model = (row.fields[columns.model] ?? "").trim();
    if (model === "") throw problem(file, row, "expected a model, found nothing");
    const cost = row.fields[columns.cost] ?? "";
    const nanoUsd = amountNanoUsd(cost);
    if (nanoUsd === null) throw problem(file, row, `expected an amount in USD, found "${cost}"`);
    invoice.models.set(model, (invoice.models.get(model) ?? 0n) + nanoUsd);
  }
  return invoice;
}

function rowsOf(text: string, file: string): CsvRow[] {
  try {
    return parseCsv(text);
  } catch (error) {
    if (error instanceof CsvError)
      throw new InvoiceError(`${file}:${error.line}: ${error.message}`);
    throw error;
  }
}

function problem(file: string, { line }: CsvRow, message: string): InvoiceError {
  return new InvoiceError(`${file}:${line}: ${message}`);
}

function namedColumns(fields: readonly string[]): Columns | null {
  const names = fields.map((name) => name.toLowerCase().replace(/[\s_-]|\(.*\)/g, ""));
  const find = (known: readonly string[]) => {
    const name = known.find((candidate) => names.includes(candidate));
    return name === undefined ? null : names.indexOf(name);
  };
  const model = find(MODEL_COLUMNS);
  const cost = find(COST_COLUMNS);
  return model === null || cost === null ? null : { model, cost, date: find(DATE_COLUMNS) };
}

function placedColumns(first: CsvRow, file: string): Columns {
  const { fields } = first;
  if (fields.length === 2 && amountNanoUsd(fields[1] ?? "") !== null) {
    return { model: 0, cost: 1, date: null };
  }
  if (fields.length === 3 && amountNanoUsd(fields[2] ?? "") !== null) {
    return { date: 0, model: 1, cost: 2 };
  }
  throw problem(
    file,
    first,
    'expected a header with "model" and "cost" (and "date"), or lines of model,cost or ' +
      "date,model,cost",
  );
}

/** A day of an invoice is one of UTC. Without a date a line counts. */
function isInPeriod(row: CsvRow, { date }: Columns, period: Period, file: string): boolean {
  const text = date === null ? "" : (row.fields[date] ?? "").trim();
  if (text === "") return true;
  const timeMs = /^\d{4}-\d\d(-\d\d|$)/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(timeMs)) {
    throw problem(file, row, `expected a date such as 2026-11-30, found "${text}"`);
  }
  return timeMs >= period.fromMs && timeMs < period.toMs;
}

/** `1234.5`, `$1,234.50`, `-3`, `(3.00)` in nano-USD, to the nearest; null: none of them. */
function amountNanoUsd(text: string): bigint | null {
  const [, paren, minus, number, close] =
    /^(\()?(-)?\$?(\d{1,3}(?:,\d{3})+(?:\.\d+)?|[\d.eE+-]+)(\))?$/.exec(text.trim()) ?? [];
  if (number === undefined || (paren === undefined) !== (close === undefined)) return null;
  const decimal = parseDecimal(number.replaceAll(",", ""));
  if (decimal === null) return null;
  const divisor = 10n ** BigInt(decimal.scale);
  const nanoUsd = (2n * decimal.digits * NANO_PER_USD + divisor) / (2n * divisor);
  return (paren === undefined) === (minus === undefined) ? nanoUsd : -nanoUsd;
}
