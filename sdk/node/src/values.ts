/** Frozen values that the verifier works with. */

import { ConfigurationError } from "./errors.js"
import type { JsonObject } from "./strict.js"

/** HMAC and `none` are not on the list and cannot be put on it (RFC 8725 §3.1); RFC 9864 retired the name EdDSA. */
export const KNOWN_ALGORITHMS = ["ES256", "RS256", "PS256", "Ed25519", "ES384", "ES512"] as const
export type Algorithm = (typeof KNOWN_ALGORITHMS)[number]

const MAX_LEEWAY_S = 60

/**
 * What a verified access token says (RFC 9068 §2.2 and Ostiary's own claims), unchangeable at every depth.
 * Times are whole seconds since 1970. `grant` and `sid` name the grant and session it came from, `risk` is 0 to 100,
 * `cnf` the key that it is bound to, `actors` the services that act for `sub` (RFC 8693 §4.1), the one that acts now
 * first, `azp` the application that the first token of all was issued to, where that is not `clientId`.
 * `undefined` means that the token does not say. `claims` is the whole payload.
 */
export interface AccessToken {
  readonly iss: string
  readonly sub: string
  readonly aud: readonly string[]
  readonly exp: number
  readonly iat: number
  readonly jti: string
  readonly clientId: string
  readonly scope: readonly string[]
  readonly grant: string | undefined
  readonly sid: string | undefined
  readonly authTime: number | undefined
  readonly acr: string | undefined
  readonly amr: readonly string[]
  readonly risk: number | undefined
  readonly cnf: JsonObject | undefined
  readonly actors: readonly string[]
  readonly azp: string | undefined
  readonly claims: JsonObject
}

/** True when the token carries every one of the scopes. */
export function hasScopes(token: AccessToken, ...names: readonly string[]): boolean {
  return names.every(name => token.scope.includes(name))
}

/** What a token must match; set by the program, never by the token (RFC 8725 §3.1, §3.8, §3.9). */
export interface Expectations {
  readonly issuer: string
  readonly audience: string
  readonly algorithms: ReadonlySet<string>
  readonly leewayS: number
  readonly acceptsBound: boolean
}

/** The checked expectations; ConfigurationError naming what is wrong. */
export function parseExpectations(asked: {
  issuer: string
  audience: string
  algorithms: readonly string[]
  leewayS: number
  acceptsBound: boolean
}): Expectations {
  const { issuer, audience, algorithms, leewayS, acceptsBound } = asked
  checkText("issuer", issuer)
  checkText("audience", audience)
  const known: readonly string[] = KNOWN_ALGORITHMS
  if (algorithms.length === 0 || !algorithms.every(name => known.includes(name))) {
    throw new ConfigurationError(`algorithms must be some of ${known.join(", ")}`)
  }
  if (!(leewayS >= 0 && leewayS <= MAX_LEEWAY_S)) {
    throw new ConfigurationError(`leewayS must be between 0 and ${MAX_LEEWAY_S}`)
  }
  return { issuer, audience, algorithms: new Set(algorithms), leewayS, acceptsBound }
}

/** Throws ConfigurationError unless the setting is a non-empty string without spaces around it. */
export function checkText(name: string, value: unknown): asserts value is string {
  if (typeof value !== "string" || value === "" || value !== value.trim()) {
    throw new ConfigurationError(`${name} must be a non-empty string without spaces around it`)
  }
}

/**
 * How long the issuer's keys are believed. All in seconds, but for `refreshAt`.
 * `minAgeS` ≤ the issuer's `Cache-Control: max-age` (`defaultAgeS` where it says nothing) ≤ `maxAgeS`: within this age
 * keys are used without waiting; when the part `refreshAt` of it is over they are asked for again behind the requests.
 * While the issuer cannot be reached they are used for `maxStaleS` more, and never longer. `cooldownS` is the least
 * time between two refreshes that unknown key ids cause, and the most between two attempts while the issuer is down;
 * a key id that the issuer did not know is not asked for again within `unknownForS`. `timeoutS` bounds one refresh.
 */
export interface KeyPolicy {
  readonly minAgeS: number
  readonly defaultAgeS: number
  readonly maxAgeS: number
  readonly maxStaleS: number
  readonly cooldownS: number
  readonly timeoutS: number
  readonly refreshAt: number
  readonly unknownForS: number
}

const KEY_POLICY: KeyPolicy = {
  minAgeS: 10, defaultAgeS: 300, maxAgeS: 3600, maxStaleS: 86_400, cooldownS: 30, timeoutS: 5,
  refreshAt: 0.8, unknownForS: 300,
}

/** The policy with the defaults filled in; ConfigurationError where its numbers do not fit together. */
export function parseKeyPolicy(asked: Partial<KeyPolicy> = {}): KeyPolicy {
  const policy = { ...KEY_POLICY, ...asked }
  if (!Object.values(policy).every(number => Number.isFinite(number) && number >= 0)) {
    throw new ConfigurationError("keyPolicy: every number must be finite and not negative")
  }
  if (!(policy.minAgeS <= policy.defaultAgeS && policy.defaultAgeS <= policy.maxAgeS)) {
    throw new ConfigurationError("keyPolicy: minAgeS ≤ defaultAgeS ≤ maxAgeS must hold")
  }
  if (policy.timeoutS === 0 || policy.cooldownS < 1) {
    throw new ConfigurationError("keyPolicy: timeoutS must be above 0 and cooldownS at least 1")
  }
  if (!(policy.refreshAt >= 0.1 && policy.refreshAt <= 1)) {
    throw new ConfigurationError("keyPolicy: refreshAt must be a part of the keys' life, from 0.1 to 1")
  }
  return policy
}
