/** What a program may set for everything that does I/O; tests bring their own clocks and network. */

import { clockAwake } from "./clocks.js"
import type { Fetch } from "./http.js"

/** Takes one line for the log; never a token, a secret or a person's name. */
export type Log = (words: string) => void

export interface Surroundings {
  /** Instead of the global `fetch`: a private CA, a proxy, or no network at all. */
  readonly fetch?: Fetch
  /** Seconds since 1970. */
  readonly clock?: () => number
  /** Seconds of a clock that nobody sets back, and that goes on while the machine sleeps. */
  readonly monotonic?: () => number
  /** Where lines for the log go; by default nowhere. */
  readonly log?: Log
}

/** The surroundings with what was left out filled in. */
export function parseSurroundings(asked: Surroundings): Required<Surroundings> {
  return {
    fetch: asked.fetch ?? ((url, init) => globalThis.fetch(url, init)),
    clock: asked.clock ?? (() => Date.now() / 1000),
    monotonic: asked.monotonic ?? clockAwake(),
    log: asked.log ?? (() => undefined),
  }
}
