/** Whether a token's sign-in was strong and fresh enough for what it is used for (RFC 9470). */

import { ConfigurationError, InsufficientAuthentication } from "./errors.js"
import type { AccessToken } from "./values.js"

export const AAL1 = "urn:ostiary:aal1"
export const AAL2 = "urn:ostiary:aal2"
export const AAL3 = "urn:ostiary:aal3"
export const PHR = "phr"

const CLASS = /^[!#-[\]-~]+$/

/** What else is met where a class is met: a level holds all below it (NIST SP 800-63B-4 §2), a passkey two factors. */
const IMPLIED: ReadonlyMap<string, readonly string[]> = new Map([
  [AAL2, [AAL1]],
  [AAL3, [AAL1, AAL2, PHR]],
  [PHR, [AAL1, AAL2]],
])

/** Which classes are acceptable, any one of them (none listed: all), and how old the sign-in may be. */
export interface NeededAuthentication {
  readonly acr: readonly string[]
  readonly maxAgeS: number | undefined
}

/** The checked requirement, undefined where nothing is asked; ConfigurationError for one that no token could meet. */
export function parseNeeded(
  acr: string | readonly string[] | undefined, maxAgeS: number | undefined,
): NeededAuthentication | undefined {
  const names = acr === undefined ? [] : typeof acr === "string" ? [acr] : [...acr]
  if (!names.every(name => CLASS.test(name))) {
    throw new ConfigurationError("acr must be a class such as urn:ostiary:aal2, or a list of several")
  }
  if (maxAgeS !== undefined && !(Number.isInteger(maxAgeS) && maxAgeS >= 0)) {
    throw new ConfigurationError("maxAgeS must be a whole number of seconds, 0 or more")
  }
  return names.length > 0 || maxAgeS !== undefined ? { acr: names, maxAgeS } : undefined
}

/** Whether a token's `acr` is one of the acceptable classes or implies one: aal3 ⊃ phr ⊃ aal2 ⊃ aal1. */
export function meetsAcr(actual: string | undefined, acceptable: readonly string[]): boolean {
  if (actual === undefined) return false
  return [actual, ...(IMPLIED.get(actual) ?? [])].some(name => acceptable.includes(name))
}

/** Whether the person signed in at most `maxAgeS` ago; never where the token does not say when, or says the future. */
export function isFresh(token: AccessToken, maxAgeS: number, now: number, leewayS: number): boolean {
  if (token.authTime === undefined) return false
  const ageS = now - token.authTime
  return -leewayS <= ageS && ageS <= maxAgeS + leewayS
}

/** Throws InsufficientAuthentication unless the token's sign-in is strong and fresh enough (RFC 9470 §3). */
export function checkAuthentication(
  token: AccessToken, needed: NeededAuthentication, now: number, leewayS: number,
): void {
  if (needed.acr.length > 0 && !meetsAcr(token.acr, needed.acr)) {
    throw new InsufficientAuthentication("a stronger sign-in is needed", needed.acr, needed.maxAgeS)
  }
  if (needed.maxAgeS !== undefined && !isFresh(token, needed.maxAgeS, now, leewayS)) {
    throw new InsufficientAuthentication("a more recent sign-in is needed", needed.acr, needed.maxAgeS)
  }
}
