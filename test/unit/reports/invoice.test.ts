import { describe, expect, test } from "vitest";
import { CsvError, csvText, parseCsv } from "../../../limitador-bridge/reports/csv.ts";
import { driftOf } from "../../../limitador-bridge/reports/drift.ts";
import { readInvoice } from "../../../limitador-bridge/reports/invoice.ts";

const MARCH = { fromMs: Date.UTC(2026, 2, 1), toMs: Date.UTC(2026, 3, 1) };
const read = (text: string) => readInvoice(text, "invoice.csv", MARCH);

describe("CSV", () => {
  test("quotes, line breaks in quotes, CRLF and LF", () => {
    expect(parseCsv('\uFEFFa,"b ""x"", c"\r\n\n"one\ntwo",\n3')).toEqual([
      { line: 1, fields: ["a", 'b "x", c'] },
      { line: 3, fields: ["one\ntwo", ""] },
      { line: 5, fields: ["3"] },
    ]);
  });

  test.each([
    ['a\n"b', 2],
    ['a"b', 1],
    ['"a"b', 1],
  ])("%j is refused with its line", (text, line) => {
    expect(() => parseCsv(text)).toThrow(CsvError);
    try {
      parseCsv(text);
    } catch (error) {
      expect((error as CsvError).line).toBe(line);
    }
  });

  test("a megabyte in quotes is one field", () => {
    const long = "x".repeat(1_000_000);
    expect(parseCsv(`"${long}"`)[0]?.fields).toEqual([long]);
  });

  test.each([
    ["plain", "plain"],
    ['say "hi"', '"say ""hi"""'],
    ["=cmd()", "'=cmd()"],
    ["-1,2", '"\'-1,2"'],
    [null, ""],
  ])("%j is written as %j", (value, text) => {
    expect(csvText(value)).toBe(text);
  });
});

describe("an invoice", () => {
  test("with a header, in any order and other columns between", () => {
    const { models, otherDates } = read(
      "Region,Cost (USD),Date,Model\n" +
        'us,"1,234.50",2026-03-01,gpt-4o\nus,0.0000000015,2026-03-31,gpt-4o\n' +
        "us,7,2026-04-01,gpt-4o\nus,$2,2026-03-05,o3\nus,(0.5),2026-03-05,o3\n",
    );
    expect([...models]).toEqual([
      ["gpt-4o", 1_234_500_000_002n],
      ["o3", 1_500_000_000n],
    ]);
    expect(otherDates).toBe(1);
  });

  test("without a header", () => {
    expect([...read("gpt-4o,1.5\no3,-2\n").models]).toEqual([
      ["gpt-4o", 1_500_000_000n],
      ["o3", -2_000_000_000n],
    ]);
    expect([...read("2026-03-02,gpt-4o,1.5\n").models]).toEqual([["gpt-4o", 1_500_000_000n]]);
  });

  test.each([
    ["", "invoice.csv: expected lines of CSV, found none"],
    ["model,price\ngpt-4o,1\n", /^invoice.csv:1: expected a header with "model" and "cost"/],
    ["model,cost\ngpt-4o,1\ngpt-4o,ten\n", 'invoice.csv:3: expected an amount in USD, found "ten"'],
    ["model,cost\n,1\n", "invoice.csv:2: expected a model, found nothing"],
    [
      "date,model,cost\n03/01/26,gpt-4o,1\n",
      'invoice.csv:2: expected a date such as 2026-11-30, found "03/01/26"',
    ],
    ['model,cost\n"gpt,1\n', "invoice.csv:2: a double quote that is not closed or not escaped"],
  ])("%j is refused", (text, message) => {
    expect(() => read(text)).toThrow(message);
  });
});

describe("drift", () => {
  const USD = 1_000_000_000n;
  const rows = (ours: [string, bigint][], theirs: [string, bigint][]) =>
    driftOf(new Map(ours), new Map(theirs));

  test("10 % is allowed, anything above is flagged", () => {
    const { rows: found, flagged } = rows(
      [
        ["a", 90n * USD],
        ["b", 90n * USD - 1n],
        ["c", 110n * USD],
      ],
      [
        ["a", 100n * USD],
        ["b", 100n * USD],
        ["c", 100n * USD],
      ],
    );
    expect(
      found.map((row) => [row.model, row.differenceNanoUsd, row.percent, row.flagged]),
    ).toEqual([
      ["b", 10n * USD + 1n, "10.1", true],
      ["a", 10n * USD, "10.0", false],
      ["c", -10n * USD, "-10.0", false],
    ]);
    expect(flagged).toBe(true);
  });

  test("names of one model meet, dated snapshots too; what is only on one side is flagged", () => {
    const drift = rows(
      [
        ["gpt-4o-2024-08-06", 3n],
        ["gpt-4o-2024-11-20", 4n],
        ["claude-opus-4", 5n],
        ["only-ours", 1n],
      ],
      [
        ["GPT-4o", 7n],
        ["anthropic/claude-opus-4", 5n],
        ["only-theirs", 2n],
      ],
    );
    expect(drift.rows.map((row) => [row.model, row.oursNanoUsd, row.theirsNanoUsd])).toEqual([
      ["only-theirs", 0n, 2n],
      ["only-ours", 1n, 0n],
      ["claude-opus-4", 5n, 5n],
      ["gpt-4o-2024-08-06", 7n, 7n],
    ]);
    expect(drift.rows.map((row) => [row.percent, row.flagged])).toEqual([
      ["100.0", true],
      [null, true],
      ["0.0", false],
      ["0.0", false],
    ]);
    expect([drift.total.oursNanoUsd, drift.total.theirsNanoUsd]).toEqual([13n, 14n]);
  });

  test("a snapshot that is on both sides is not mixed with its model", () => {
    const drift = rows(
      [
        ["gpt-4o-2024-08-06", 3n],
        ["gpt-4o", 4n],
      ],
      [
        ["gpt-4o-2024-08-06", 3n],
        ["gpt-4o", 4n],
      ],
    );
    expect(drift.rows.map((row) => [row.model, row.oursNanoUsd])).toEqual([
      ["gpt-4o", 4n],
      ["gpt-4o-2024-08-06", 3n],
    ]);
    expect(drift.flagged).toBe(false);
  });
});
