/** The texts of a YAML file's documents, found without reading them. Pure. */

export interface DocumentText {
  text: string;
  /** Lines of the file before it. */
  linesBefore: number;
}

/** Whether there is anything but the mark of a document's beginning and comments. */
function isEmpty(text: string): boolean {
  return text.split("\n").every((line) => /^(?:---)? *(?:#.*)?$/.test(line));
}

/**
 * Cuts a text at its "---" lines. YAML 1.2, 9.1.2: no content of a document may begin a line with
 * that mark, not even quoted. Directives and end marks ("...") are not known here.
 */
export function documentTexts(text: string): DocumentText[] {
  let linesBefore = 0;
  const documents: DocumentText[] = [];
  for (const part of text.split(/^(?=---(?:[ \n]|$))/m)) {
    if (!isEmpty(part)) documents.push({ text: part, linesBefore });
    linesBefore += part.split("\n").length - 1;
  }
  return documents;
}
