/** How old our knowledge of the feed is. No I/O, no clock of its own; times are seconds of one monotonic clock. */

import type { FeedHead } from "./feed-lines.js"

export type LeaseState = "fresh" | "stale" | "lost"

/**
 * The age of what a follower knows, without synchronised clocks.
 *
 * The first head of a connection was made after we asked, so the log was read at `asked` at the earliest; every later
 * head says by the server's own monotonic clock how much later its reading was. A head that was held up on the way is
 * so seen as old, and none counts as younger than its receipt.
 */
export class Lease {
  #vouchedAt = -Infinity
  #hasEnded = false
  /** The newest head heard of the process that spoke last: an answer that a cache kept is recognised by it. */
  #boot = ""
  #upMs = -1

  /** A connection begins: `asked` is when its request was sent. */
  connection(asked: number): Connection {
    let first: FeedHead | undefined
    return {
      heard: (head, receivedAt, agrees) => {
        if (head.boot === this.#boot && head.upMs <= this.#upMs) return
        first ??= head
        // Another process's clock counts from elsewhere.
        if (head.boot !== first.boot) return
        this.#boot = head.boot
        this.#upMs = head.upMs
        if (!agrees || this.#hasEnded) return
        const vouchedAt = Math.min(asked + (head.upMs - first.upMs) / 1000, receivedAt)
        this.#vouchedAt = Math.max(this.#vouchedAt, vouchedAt)
      },
    }
  }

  /** Lost from now on, whatever is still heard. */
  end(): void {
    this.#hasEnded = true
    this.#vouchedAt = -Infinity
  }

  /** Seconds since the log was surely as we know it; infinite before the first head. */
  ageS(now: number): number {
    return Math.max(now - this.#vouchedAt, 0)
  }
}

/** Fresh, stale or lost, by the age of what we know. */
export function stateOf(ageS: number, bounds: { readonly freshForS: number; readonly lostAfterS: number }): LeaseState {
  return ageS < bounds.freshForS ? "fresh" : ageS < bounds.lostAfterS ? "stale" : "lost"
}

export interface Connection {
  /** A proven head came in at `receivedAt`. `agrees`: we know the log as it tells; only then does it vouch for us. */
  heard(head: FeedHead, receivedAt: number, agrees: boolean): void
}
