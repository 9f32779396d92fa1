/** Tables for people at a terminal. Pure. */

/** Control characters of a name that a client chose could move the cursor or recolour the text. */
const CONTROL = /\p{Cc}/gu;
const GAP = "  ";

export interface TableColumn {
  title: string;
  align: "left" | "right";
}

/** Columns padded to their widest cell; a rule stands between `rows` and `footer`. */
export function textTable(
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
  footer: readonly string[] | null,
): string {
  const clean = (row: readonly string[]) => row.map((cell) => cell.replace(CONTROL, "\uFFFD"));
  const titles = columns.map(({ title }) => title);
  const body = rows.map(clean);
  const foot = footer === null ? [] : [clean(footer)];
  const widths = columns.map((_, i) =>
    Math.max(...[titles, ...body, ...foot].map((row) => width(row[i] ?? ""))),
  );
  const line = (row: readonly string[]) =>
    columns
      .map(({ align }, i) => {
        const cell = row[i] ?? "";
        const space = " ".repeat((widths[i] ?? 0) - width(cell));
        return align === "left" ? cell + space : space + cell;
      })
      .join(GAP)
      .trimEnd();
  const rule = widths
    .map((length) => "-".repeat(length))
    .join(GAP)
    .trimEnd();
  const lines = [
    line(titles),
    rule,
    ...body.map(line),
    ...foot.flatMap((row) => [rule, line(row)]),
  ];
  return `${lines.join("\n")}\n`;
}

function width(text: string): number {
  return [...text].length;
}
