/** Tokens that were verified a moment ago, so that the same token is not proven again for every request. */

import type { AccessToken } from "./values.js"

/** A longer token is proven each time: what a flood of giants can occupy stays bounded (S38). */
export const MAX_KEPT_CHARS = 4096

/** A verified token, the key that proved it, and when (seconds of the monotonic clock). */
export interface ProvenToken {
  readonly token: AccessToken
  readonly kid: string
  readonly keyFingerprint: string
  readonly provenAt: number
}

/** A map of at most `size` entries, the longest unused forgotten first. */
export class LeastRecent<Value> {
  readonly #kept = new Map<string, Value>()

  constructor(private readonly size: number) {}

  find(name: string): Value | undefined {
    const value = this.#kept.get(name)
    if (value !== undefined) {
      // A map remembers the order of insertion: who is put in again is the youngest.
      this.#kept.delete(name)
      this.#kept.set(name, value)
    }
    return value
  }

  keep(name: string, value: Value): void {
    this.#kept.delete(name)
    this.#kept.set(name, value)
    if (this.#kept.size > this.size) {
      const oldest = this.#kept.keys().next()
      if (oldest.done !== true) this.#kept.delete(oldest.value)
    }
  }

  forget(name: string): void {
    this.#kept.delete(name)
  }

  get count(): number {
    return this.#kept.size
  }
}
