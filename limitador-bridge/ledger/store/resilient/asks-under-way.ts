/**
 * Decisions that the store has been asked for and has not answered, by id; never more than may be
 * in flight. What ends a hold must not go out before them: a script that Redis has forgotten is
 * sent again, shard follows shard, and so a release could be done before the hold is made, which
 * would then be charged for nobody.
 */
export class AsksUnderWay {
  readonly #ended = new Map<string, Promise<void>>();

  add(id: string, asked: Promise<unknown>): void {
    const before = this.#ended.get(id);
    const all = before === undefined ? asked : Promise.allSettled([before, asked]);
    const over = () => {
      if (this.#ended.get(id) === ended) this.#ended.delete(id);
    };
    const ended: Promise<void> = all.then(over, over);
    this.#ended.set(id, ended);
  }

  /** Resolves, never rejects, when all asks of the id have ended; undefined where there is none. */
  ended(id: string): Promise<void> | undefined {
    return this.#ended.get(id);
  }
}
