/** The clock by which knowledge ages: one that goes on while the machine sleeps, and that nobody can set back. */

import { uptime } from "node:os"

/** Less than this is how two clocks disagree on a good day; `uptime` tells whole seconds on some systems. */
const DISAGREE_S = 1
const LOOK_EVERY_S = 0.25

/** Three clocks in seconds: one that stands still in suspend (Node has no other), the wall's, and the time since boot. */
export interface Clocks {
  readonly monotonic: () => number
  readonly wall: () => number
  readonly sinceBoot: () => number
}

const OURS: Clocks = {
  monotonic: () => performance.now() / 1000,
  wall: () => Date.now() / 1000,
  sinceBoot,
}

/** The time since boot with all sleep, where the system lets a program know it. */
function sinceBoot(): number {
  try {
    return uptime()
  } catch {
    return performance.now() / 1000
  }
}

/**
 * Seconds of a clock of one's own. A laptop that was put away for the night wakes with revocations of yesterday, a
 * second old by the monotonic clock; so wherever another clock has gone on by more than a second more, that counts.
 *
 * The wall clock is looked at each time, the time since boot, which nobody sets, four times a second and whenever the
 * other two disagree: it shows a sleep that somebody hid by setting the wall clock back. A wall clock set forward
 * makes all knowledge look old until the next head, which is the safe side; one set back changes nothing.
 */
export function clockAwake(clocks: Clocks = OURS): () => number {
  let mono = clocks.monotonic(), wall = clocks.wall(), boot = clocks.sinceBoot()
  let asleepS = 0
  return () => {
    const now = clocks.monotonic(), wallNow = clocks.wall()
    const passedS = now - mono, hiddenS = wallNow - wall - passedS
    if (passedS >= LOOK_EVERY_S || Math.abs(hiddenS) > DISAGREE_S) {
      const bootNow = clocks.sinceBoot()
      const mostS = Math.max(hiddenS, bootNow - boot - passedS)
      if (mostS > DISAGREE_S) asleepS += mostS
      mono = now
      wall = wallNow
      boot = bootNow
    }
    return now + asleepS
  }
}
