/**
 * Expressions with CEL's `a ? b : c`, written into YAML as they are. YAML takes ": " in a plain
 * scalar for a nested mapping and refuses the file, though what is meant is plain: a nested mapping
 * cannot stand there at all (YAML 1.2.2, 7.3.3). Pure.
 */

/** key, value; the value is a plain scalar (YAML 1.2.2, 5.3: no indicator first) with a ternary. */
const TERNARY_LINE = /^(\s*(?:- +)?[\w.-]+: +)([^\s'"|>&*!{}[\]#%@`?,-].*? \? .*? : .*?)(\s+#.*)?$/;

/**
 * The text with the value of every such line in single quotes. Lines keep their numbers; what
 * stands in a quoted value is one column further right.
 */
export function quoteTernaries(text: string): string {
  return text
    .split("\n")
    .map((line) => {
      const [, key, value, comment = ""] = TERNARY_LINE.exec(line.trimEnd()) ?? [];
      if (key === undefined || value === undefined) return line;
      return `${key}'${value.replaceAll("'", "''")}'${comment}`;
    })
    .join("\n");
}
