/** `tollgate report`: what was spent, and how far that is from a provider's invoice. */
import { parseArgs } from "node:util";
import { type Drift, driftOf } from "../reports/drift.ts";
import { driftCsv, driftJson } from "../reports/drift-text.ts";
import { InvoiceError, readInvoice } from "../reports/invoice.ts";
import { driftTable, type SpendAnswer, spendTable } from "../reports/spend-table.ts";
import type { CommandIo } from "./command-io.ts";
import { CommandError, callService, type ServiceCall, serviceOf } from "./service-call.ts";

const REPORT_USAGE = `usage: tollgate report [options]

  --month 2026-11        the month; or --from and --to (dates or RFC 3339 times)
  --time-zone ZONE       time zone of the month, e.g. Europe/Berlin (UTC)
  --group-by team,app    team, app, user, task, model, provider, api, source, outcome, day
  --format FORMAT        table (preset), csv, json or focus
  --invoice FILE         compare with a provider's invoice: CSV with model and cost (and date)
  --api URL              the budget service (TOLLGATE_API, else http://127.0.0.1:8080)

With --invoice the exit code is 3 where a model, or the total, is more than 10 % apart.`;

const EXIT_DRIFT = 3;
const FORMATS = ["table", "csv", "json", "focus"];
const OPTIONS = {
  month: { type: "string" },
  from: { type: "string" },
  to: { type: "string" },
  "time-zone": { type: "string" },
  "group-by": { type: "string" },
  format: { type: "string", default: "table" },
  invoice: { type: "string" },
  api: { type: "string" },
  help: { type: "boolean", default: false },
} as const;

type Options = ReturnType<typeof parse>;

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS }).values;
  } catch (cause) {
    throw new CommandError(`${(cause as Error).message}\n\n${REPORT_USAGE}`);
  }
}

/**
 * Prints the report.
 * @returns exit code
 * @throws CommandError, InvoiceError
 */
export async function report(args: string[], io: CommandIo): Promise<number> {
  const options = parse(args);
  if (options.help) {
    io.stdout(`${REPORT_USAGE}\n`);
    return 0;
  }
  if (!FORMATS.includes(options.format)) {
    throw new CommandError(`--format: expected ${FORMATS.join(", ")}, found "${options.format}"`);
  }
  const service = serviceOf(options.api, io.env);
  if (options.invoice !== undefined) return compare(service, options, options.invoice, io);
  if (options.format === "csv" || options.format === "focus") {
    io.stdout(await callService(service, spendPath(options, options.format), { accept: "*/*" }));
    return 0;
  }
  const text = await callService(service, spendPath(options, "json"));
  const answer = JSON.parse(text) as SpendAnswer;
  io.stdout(
    options.format === "json" ? `${JSON.stringify(answer, null, 2)}\n` : spendTable(answer),
  );
  return 0;
}

function spendPath(options: Options, format: string, groupBy = options["group-by"]): string {
  const query = new URLSearchParams({ format });
  const given = {
    month: options.month,
    from: options.from,
    to: options.to,
    timeZone: options["time-zone"],
    groupBy,
  };
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined) query.set(name, value);
  }
  return `/v1/spend?${query}`;
}

async function compare(
  service: ServiceCall,
  options: Options,
  file: string,
  io: CommandIo,
): Promise<number> {
  if (options.format === "focus") throw new CommandError("--invoice: not with --format focus");
  const text = await callService(service, spendPath(options, "json", "model"));
  const answer = JSON.parse(text) as SpendAnswer;
  const period = { fromMs: Date.parse(answer.from), toMs: Date.parse(answer.to) };
  const invoice = readInvoice(await io.read(file), file, period);
  if (invoice.models.size === 0) {
    throw new InvoiceError(`${file}: no line is of the time from ${answer.from} to ${answer.to}`);
  }
  const ours = new Map(
    answer.rows
      .filter((row) => row.costNanoUsd !== 0)
      .map((row) => [row.model ?? "(unknown)", BigInt(row.costNanoUsd)]),
  );
  const drift = driftOf(ours, invoice.models);
  io.stdout(driftText(drift, options.format));
  if (invoice.otherDates > 0) {
    io.stderr(`${file}: ${invoice.otherDates} lines are of another time and were left out\n`);
  }
  return drift.flagged ? EXIT_DRIFT : 0;
}

function driftText(drift: Drift, format: string): string {
  if (format === "csv") return driftCsv(drift);
  return format === "json" ? `${JSON.stringify(driftJson(drift), null, 2)}\n` : driftTable(drift);
}
