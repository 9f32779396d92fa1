/** Names of models as providers and invoices write them. Pure. */

const SNAPSHOT = /[-@](\d{4}-\d{2}-\d{2}|\d{8})$/;

/** One name for the ways in which one model is written: case and a provider's prefix are gone. */
export function plainModel(name: string): string {
  return name.trim().toLowerCase().replace(/^.*\//, "");
}

/** The model without the date of its snapshot: gpt-4o-2024-08-06 is a gpt-4o. */
export function modelFamily(name: string): string {
  return plainModel(name).replace(SNAPSHOT, "");
}
