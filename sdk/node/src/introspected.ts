/** What the issuer answered about single tokens while the feed was late. No I/O, no clock of its own. */

import type { FailurePolicy } from "./policy.js"

const MOST_ACTIVE = 8192
const MOST_REFUSED = 65_536
const PAUSE_S = 1
/** An introspector may remember answers itself, our own one does for a second: what it says is as old as that. */
export const ANSWER_AGE_S = 1

/**
 * Answers by `jti`: a yes is believed for `introspectionBelievedS`, a no for as long as the token would run; so an
 * older yes never undoes a newer no. `tick` is of one monotonic clock, `endsAt` is seconds since 1970.
 */
export class Answers {
  readonly #activeAt = new Map<string, number>()
  readonly #refused = new Map<string, number>()
  readonly #behind = new Set<string>()
  #pauseUntil = -Infinity

  constructor(private readonly policy: FailurePolicy) {}

  /** Whether the issuer said no to this token. */
  isRefused(jti: string): boolean {
    return this.#refused.has(jti)
  }

  /** Whether a yes is young enough to stand for another question. */
  isBelieved(jti: string, tick: number): boolean {
    const askedAt = this.#activeAt.get(jti)
    return askedAt !== undefined && tick < askedAt + this.policy.introspectionBelievedS - ANSWER_AGE_S
  }

  /**
   * True if the issuer shall be asked behind this request now; whoever gets it calls `end` afterwards.
   * One question a token, a bounded number of them, and a pause after one that found the issuer away.
   */
  begin(jti: string, tick: number): boolean {
    const isFull = this.#behind.size >= this.policy.introspectionsBehind
    if (isFull || this.#behind.has(jti) || tick < this.#pauseUntil || this.isBelieved(jti, tick)) return false
    this.#behind.add(jti)
    return true
  }

  /** The question behind a request was answered, or failed. */
  end(jti: string): void {
    this.#behind.delete(jti)
  }

  /** Remembers an answer. `endsAt` is when the token ends anyway, `nowS` the same clock's time. */
  record(jti: string, isActive: boolean, askedAt: number, endsAt: number, nowS: number): void {
    this.#activeAt.delete(jti)
    if (isActive) {
      this.#activeAt.set(jti, askedAt)
      shorten(this.#activeAt, MOST_ACTIVE)
      return
    }
    if (this.#refused.size >= MOST_REFUSED) {
      for (const [known, end] of this.#refused) if (end <= nowS) this.#refused.delete(known)
    }
    this.#refused.set(jti, endsAt)
    shorten(this.#refused, MOST_REFUSED)
  }

  /** The issuer could not be asked. */
  recordFailure(tick: number): void {
    this.#pauseUntil = tick + PAUSE_S
  }
}

function shorten(entries: Map<string, number>, most: number): void {
  while (entries.size > most) {
    const oldest = entries.keys().next()
    if (oldest.done === true) return
    entries.delete(oldest.value)
  }
}
