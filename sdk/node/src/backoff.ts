/** How long to leave a server alone that did not answer well: longer each time, and never all callers at once. */

export class Backoff {
  #nextS: number

  /** Pauses double from `firstS` to `mostS`, each shortened by chance to half of it at least. */
  constructor(
    private readonly firstS: number,
    private readonly mostS: number,
    private readonly random: () => number = Math.random,
  ) {
    this.#nextS = firstS
  }

  /**
   * Seconds to wait now; `atLeastS` is what the server asked for, believed up to `mostS`, and by chance up to half as
   * long again: many were told the same at the same moment.
   */
  nextPauseS(atLeastS = 0): number {
    const chance = this.random(), pauseS = this.#nextS * (0.5 + chance / 2)
    this.#nextS = Math.min(this.#nextS * 2, this.mostS)
    return Math.max(pauseS, Math.min(atLeastS, this.mostS) * (1 + chance / 2))
  }

  /** All is well again: the next pause is the first one. */
  reset(): void {
    this.#nextS = this.firstS
  }
}

/**
 * `leastS` and, by chance, up to half of it more, in whole seconds: what to tell many who ask at once. Told the same,
 * they would all come back in the same second. `random` gives numbers from 0 to 1, without 1 itself.
 */
export function spreadS(leastS: number, random: () => number = Math.random): number {
  return leastS + Math.floor(random() * (Math.ceil(leastS / 2) + 1))
}
