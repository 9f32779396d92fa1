/** What the commands on prices are given from outside. */
import type { CommandIo } from "./command-io.ts";

export interface PricesIo extends CommandIo {
  nowMs: () => number;
}

/** A call that cannot be answered; the message is for the person who made it. */
export class PricesError extends Error {}

/** Text of a file. @throws PricesError */
export async function readText({ read }: PricesIo, file: string): Promise<string> {
  try {
    return await read(file);
  } catch (error) {
    throw new PricesError(`${file}: cannot be read: ${(error as Error).message}`);
  }
}
