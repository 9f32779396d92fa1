/** Temporary increases of budgets: kept as notes beside the ledger, in force until they expire. */
import { randomUUID } from "node:crypto";
import type { Note, Notes } from "../notes/notes.ts";
import { sumOf } from "./amount.ts";
import type { BudgetMatch } from "./budget-index.ts";
import type { Grants } from "./budget-limits.ts";

const PREFIX = "grant/";

export interface Grant {
  id: string;
  /** As the budget's spec.team. */
  team: string;
  amountNanoUsd: number;
  expiresAtMs: number;
  createdAtMs: number;
  reason: string;
  author: string;
}

/** The increases in force for those who spend from a budget. */
export interface GrantSource {
  of(match: BudgetMatch, nowMs: number): Grants;
}

/** All grants, in memory for decisions and in the notes for ever after. */
export class GrantBook implements GrantSource {
  readonly #notes: Notes;
  readonly #byTeam = new Map<string, Grant[]>();

  constructor(notes: Notes) {
    this.#notes = notes;
  }

  /**
   * Reads what other replicas granted. Nothing is forgotten by it: a grant only ever expires.
   * @throws what the notes throw; what was known stays in force
   */
  async refresh(): Promise<void> {
    for (const note of await this.#notes.list(PREFIX)) this.#put(read(note));
  }

  /** Grants, in force and durable when it resolves. @throws what the notes throw */
  async add(given: Omit<Grant, "id">): Promise<Grant> {
    const grant = { id: randomUUID(), ...given };
    await this.#notes.add({
      key: `${PREFIX}${grant.id}`,
      text: JSON.stringify(grant),
      expiresAtMs: grant.expiresAtMs,
    });
    this.#put(grant);
    return grant;
  }

  of({ team }: BudgetMatch, nowMs: number): Grants {
    const grants = team === null ? [] : this.list(team, nowMs);
    if (grants.length === 0) return {};
    return { team: grants.reduce((sum, { amountNanoUsd }) => sumOf(sum, amountNanoUsd), 0) };
  }

  /** The team's grants that are in force, the oldest first. */
  list(team: string, nowMs: number): Grant[] {
    const grants = this.#byTeam.get(team) ?? [];
    return grants
      .filter(({ expiresAtMs }) => expiresAtMs > nowMs)
      .sort((a, b) => a.createdAtMs - b.createdAtMs);
  }

  #put(grant: Grant): void {
    const others = this.#byTeam.get(grant.team) ?? [];
    const kept = others.filter(
      ({ id, expiresAtMs }) => id !== grant.id && expiresAtMs > grant.createdAtMs,
    );
    this.#byTeam.set(grant.team, [...kept, grant]);
  }
}

function read({ text }: Note): Grant {
  return JSON.parse(text) as Grant;
}
