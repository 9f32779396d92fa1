/** Temporary increases of budgets: kept as notes beside the ledger, in force until they expire. */
import { randomUUID } from "node:crypto";
import type { Note, Notes } from "../notes/notes.ts";
import { sumOf } from "./amount.ts";
import type { BudgetMatch } from "./budget-index.ts";
import { organizationKey, teamKey } from "./budget-key.ts";
import type { Grants } from "./budget-limits.ts";

const PREFIX = "grant/";

/** Whose budget is increased, as its spec.team or spec.organization. */
export type GrantOwner = { team: string } | { organization: string };

export type Grant = GrantOwner & {
  id: string;
  amountNanoUsd: number;
  expiresAtMs: number;
  createdAtMs: number;
  reason: string;
  author: string;
};
/** A grant that is still to be given an id. */
type GivenGrant = GrantOwner & Omit<Grant, "id">;

/** The increases in force for those who spend from a budget. */
export interface GrantSource {
  of(match: BudgetMatch, nowMs: number): Grants;
}

/** All grants, in memory for decisions and in the notes for ever after. */
export class GrantBook implements GrantSource {
  readonly #notes: Notes;
  /** By the key of the counter that is increased. */
  readonly #byKey = new Map<string, Grant[]>();

  constructor(notes: Notes) {
    this.#notes = notes;
  }

  /**
   * Reads what other replicas granted. Nothing is forgotten by it: a grant only ever expires, and
   * one in force that the notes have lost (a Redis without its data) is written to them again.
   * @throws what the notes throw; what was known stays in force
   */
  async refresh(nowMs: number): Promise<void> {
    const noted = new Set<string>();
    for (const note of await this.#notes.list(PREFIX)) {
      noted.add(note.key);
      this.#put(read(note));
    }
    for (const grant of [...this.#byKey.values()].flat()) {
      const isLost = grant.expiresAtMs > nowMs && !noted.has(noteKeyOf(grant));
      if (isLost) await this.#write(grant);
    }
  }

  /** Changes nothing where the grant is noted. */
  async #write(grant: Grant): Promise<void> {
    await this.#notes.add({
      key: noteKeyOf(grant),
      text: JSON.stringify(grant),
      expiresAtMs: grant.expiresAtMs,
    });
  }

  /** Grants, in force and durable when it resolves. @throws what the notes throw */
  async add(given: GivenGrant): Promise<Grant> {
    const grant = { id: randomUUID(), ...given };
    await this.#write(grant);
    this.#put(grant);
    return grant;
  }

  of({ team, organization }: BudgetMatch, nowMs: number): Grants {
    const name = organization?.organization ?? null;
    return {
      ...(team === null ? {} : this.#sum("team", { team }, nowMs)),
      ...(name === null ? {} : this.#sum("organization", { organization: name }, nowMs)),
    };
  }

  #sum(level: keyof Grants, owner: GrantOwner, nowMs: number): Grants {
    const grants = this.list(owner, nowMs);
    if (grants.length === 0) return {};
    return { [level]: grants.reduce((sum, { amountNanoUsd }) => sumOf(sum, amountNanoUsd), 0) };
  }

  /** The grants of a team or organization that are in force, the oldest first. */
  list(owner: GrantOwner, nowMs: number): Grant[] {
    const grants = this.#byKey.get(keyOf(owner)) ?? [];
    return grants
      .filter(({ expiresAtMs }) => expiresAtMs > nowMs)
      .sort((a, b) => a.createdAtMs - b.createdAtMs);
  }

  #put(grant: Grant): void {
    const key = keyOf(grant);
    const others = this.#byKey.get(key) ?? [];
    const kept = others.filter(
      ({ id, expiresAtMs }) => id !== grant.id && expiresAtMs > grant.createdAtMs,
    );
    this.#byKey.set(key, [...kept, grant]);
  }
}

function keyOf(owner: GrantOwner): string {
  return "team" in owner ? teamKey(owner.team) : organizationKey(owner.organization);
}

function noteKeyOf({ id }: Grant): string {
  return `${PREFIX}${id}`;
}

function read({ text }: Note): Grant {
  return JSON.parse(text) as Grant;
}
