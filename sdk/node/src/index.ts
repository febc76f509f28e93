/** Everything that programs use; the guards of the frameworks stand in `./express`, `./fastify` and `./hono`. */

export { BearerMissing, challenge, parseBearer, refusalFor, responseParts, type Refusal } from "./bearer.js"
export {
  ConfigurationError, FeedRefused, FeedUnavailable, InsufficientAuthentication, InsufficientScope,
  IntrospectionUnavailable, KeysUnavailable, NotGuarded, OstiaryError, TokenError, Unavailable, type TokenErrorCode,
} from "./errors.js"
export { Feed, type FeedSettings } from "./feed.js"
export type { FollowerIdentity } from "./feed-calls.js"
export { firstChain, nextChain, parseEntry, parseHead, type FeedEntry, type FeedHead } from "./feed-lines.js"
export { FeedLog, type Step } from "./feed-log.js"
export { loadToken, type GuardOptions } from "./guard.js"
export { Introspector, type IntrospectorOptions } from "./introspection.js"
export { Lease, stateOf, type LeaseState } from "./lease.js"
export type { Surroundings } from "./options.js"
export { decide, parseFailurePolicy, type Action, type FailurePolicy, type Sensitivity } from "./policy.js"
export { Revocations, type Refused } from "./revocations.js"
export { AAL1, AAL2, AAL3, meetsAcr, PHR } from "./step-up.js"
export { hasScopes, type AccessToken, type KeyPolicy } from "./values.js"
export { Verifier, type VerifierOptions } from "./verifier.js"
