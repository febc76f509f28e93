/** What happens to a request while the feed is fresh, stale or lost: one object says it all. No I/O. */

import { ConfigurationError } from "./errors.js"
import type { LeaseState } from "./lease.js"

/** How much harm one request with a revoked token can do on this route. */
export type Sensitivity = "sensitive" | "ordinary" | "low"

/** Let it through; let it through and ask the issuer behind; ask the issuer first; or answer 503. */
export type Action = "accept" | "accept_and_introspect" | "introspect" | "unavailable"

/**
 * What is known counts as fresh under `freshForS`, as lost from `lostAfterS` on: a revocation is obeyed after the first
 * at the latest on sensitive routes, after the second on ordinary ones. `lowRunsToExp` lets routes marked low accept
 * until a token's `exp`, whatever happens. An introspection may take `introspectionTimeoutS`, its answer is believed
 * for `introspectionBelievedS`, and `introspectionsBehind` of them run at most at once behind accepted requests. Who
 * is refused for our own trouble hears 503 and `Retry-After`: `retryAfterS`, and by chance up to half of it more.
 */
export interface FailurePolicy {
  readonly freshForS: number
  readonly lostAfterS: number
  readonly lowRunsToExp: boolean
  readonly introspectionBelievedS: number
  readonly introspectionTimeoutS: number
  readonly introspectionsBehind: number
  readonly retryAfterS: number
}

const DEFAULTS: FailurePolicy = {
  freshForS: 5, lostAfterS: 60, lowRunsToExp: false, introspectionBelievedS: 5, introspectionTimeoutS: 3,
  introspectionsBehind: 8, retryAfterS: 5,
}

/** Each number's least and greatest value. A heartbeat comes every second, so a lease below two flickers. */
const BOUNDS = {
  freshForS: [2, 60],
  lostAfterS: [2, 3600],
  introspectionBelievedS: [0, 60],
  introspectionTimeoutS: [0.1, 30],
  introspectionsBehind: [1, 256],
  retryAfterS: [1, 3600],
} as const
const WHOLE = ["introspectionsBehind", "retryAfterS"]

/** The policy with the defaults filled in; ConfigurationError names a field that is out of its range. */
export function parseFailurePolicy(asked: Partial<FailurePolicy> = {}): FailurePolicy {
  const policy = { ...DEFAULTS, ...asked }
  for (const [name, [least, most]] of Object.entries(BOUNDS)) {
    const value = policy[name as keyof typeof BOUNDS]
    if (typeof value !== "number" || !(value >= least && value <= most) || (WHOLE.includes(name) && !Number.isInteger(value))) {
      throw new ConfigurationError(`failurePolicy: ${name} must be between ${least} and ${most}`)
    }
  }
  if (typeof policy.lowRunsToExp !== "boolean") {
    throw new ConfigurationError("failurePolicy: lowRunsToExp must be true or false")
  }
  if (policy.freshForS > policy.lostAfterS) {
    throw new ConfigurationError("failurePolicy: freshForS must not be above lostAfterS")
  }
  // Otherwise a sensitive route would obey an old answer for longer than it trusts the feed.
  if (policy.introspectionBelievedS > policy.freshForS) {
    throw new ConfigurationError("failurePolicy: introspectionBelievedS must not be above freshForS")
  }
  return policy
}

/** What to do with a token that nothing known speaks against. Never a silent yes once the bound has passed (I6). */
export function decide(
  policy: FailurePolicy, sensitivity: Sensitivity, state: LeaseState, canIntrospect: boolean,
): Action {
  if (state === "fresh") return "accept"
  if (sensitivity === "low" && policy.lowRunsToExp) return "accept"
  if (state === "stale" && sensitivity !== "sensitive") return canIntrospect ? "accept_and_introspect" : "accept"
  return canIntrospect ? "introspect" : "unavailable"
}
