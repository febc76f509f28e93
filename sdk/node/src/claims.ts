/** From a proven payload to typed claims (RFC 9068 §2.2 and §4, RFC 7519 §4.1, RFC 8725 §3.8 to §3.10). */

import { TokenError } from "./errors.js"
import { isCount, isObject, member, type JsonObject } from "./strict.js"
import type { AccessToken, Expectations } from "./values.js"

/** 9999-12-31T23:59:59Z, the last second that the Python SDK can hold too. */
const MAX_TIME = 253_402_300_799
const MAX_RISK = 100
const MAX_ACTORS = 16

/**
 * The typed claims of a token meant for us and valid now; TokenError naming the claim otherwise.
 * The signature must have been checked before. `now` is seconds since 1970.
 */
export function parseAccessToken(payload: JsonObject, expected: Expectations, now: number): AccessToken {
  const token = Object.freeze({
    iss: text(payload, "iss"),
    sub: text(payload, "sub"),
    aud: audience(payload),
    exp: time(payload, "exp"),
    iat: time(payload, "iat"),
    jti: text(payload, "jti"),
    clientId: text(payload, "client_id"),
    scope: Object.freeze([...new Set((optionalText(payload, "scope") ?? "").split(" "))].filter(name => name !== "")),
    grant: optionalText(payload, "grant"),
    sid: optionalText(payload, "sid"),
    authTime: Object.hasOwn(payload, "auth_time") ? time(payload, "auth_time") : undefined,
    acr: optionalText(payload, "acr"),
    amr: Object.hasOwn(payload, "amr") ? texts(payload, "amr") : Object.freeze([]),
    risk: risk(payload),
    cnf: confirmation(payload),
    actors: actors(payload),
    azp: optionalText(payload, "azp"),
    claims: frozen(payload) as JsonObject,
  })
  if (token.iss !== expected.issuer) {
    throw new TokenError("wrong_issuer", "iss must be the issuer that this service trusts")
  }
  if (!token.aud.includes(expected.audience)) throw new TokenError("wrong_audience", "aud must contain this service")
  if (token.cnf !== undefined && !expected.acceptsBound) {
    throw new TokenError("proof_required", "cnf binds the token to a key; it is no bearer token")
  }
  if (Object.hasOwn(payload, "nbf")) checkBegun("nbf", time(payload, "nbf"), expected, now)
  checkBegun("iat", token.iat, expected, now)
  checkUnexpired(token, expected, now)
  return token
}

/** Throws TokenError from `exp` on, leeway included (RFC 7519 §4.1.4: on or after). */
export function checkUnexpired(token: AccessToken, expected: Expectations, now: number): void {
  if (!(now < token.exp + expected.leewayS)) throw new TokenError("expired", "exp has passed")
}

function checkBegun(name: string, beginsAt: number, expected: Expectations, now: number): void {
  if (beginsAt > now + expected.leewayS) throw new TokenError("not_yet_valid", `${name} lies in the future`)
}

function present(payload: JsonObject, name: string): unknown {
  if (!Object.hasOwn(payload, name)) throw new TokenError("missing_claim", `${name} is missing`)
  return payload[name]
}

function invalid(name: string, words: string): TokenError {
  return new TokenError("invalid_claim", `${name} must be ${words}`)
}

function text(payload: JsonObject, name: string): string {
  const value = present(payload, name)
  if (typeof value !== "string" || value === "") throw invalid(name, "a non-empty string")
  return value
}

function optionalText(payload: JsonObject, name: string): string | undefined {
  const value = member(payload, name)
  if (!Object.hasOwn(payload, name)) return undefined
  if (typeof value !== "string") throw invalid(name, "a string")
  return value
}

function texts(payload: JsonObject, name: string): readonly string[] {
  const value = present(payload, name)
  if (!Array.isArray(value) || !value.every(item => typeof item === "string")) throw invalid(name, "a list of strings")
  return Object.freeze([...(value as string[])])
}

function audience(payload: JsonObject): readonly string[] {
  const value = present(payload, "aud")
  return typeof value === "string" ? Object.freeze([value]) : texts(payload, "aud")
}

function time(payload: JsonObject, name: string): number {
  const value = present(payload, name)
  if (!isCount(value, MAX_TIME)) throw invalid(name, "a whole number of seconds since 1970")
  return value
}

function risk(payload: JsonObject): number | undefined {
  if (!Object.hasOwn(payload, "risk")) return undefined
  const value = payload["risk"]
  if (!isCount(value, MAX_RISK)) throw invalid("risk", `a whole number from 0 to ${MAX_RISK}`)
  return value
}

function confirmation(payload: JsonObject): JsonObject | undefined {
  if (!Object.hasOwn(payload, "cnf")) return undefined
  const value = payload["cnf"]
  if (!isObject(value)) throw invalid("cnf", "an object")
  return frozen(value) as JsonObject
}

/** Who acts, the current actor first (RFC 8693 §4.1). */
function actors(payload: JsonObject): readonly string[] {
  const found: string[] = []
  let within = payload
  while (Object.hasOwn(within, "act")) {
    const act = within["act"]
    if (!isObject(act) || found.length === MAX_ACTORS) {
      throw invalid("act", `an object with sub, and at most ${MAX_ACTORS} of them within one another`)
    }
    found.push(text(act, "sub"))
    within = act
  }
  return Object.freeze(found)
}

/** The value, unchangeable at every depth: a verified token is shared by the cache among requests. */
function frozen(value: unknown): unknown {
  if (typeof value === "object" && value !== null) {
    for (const each of Object.values(value)) frozen(each)
    Object.freeze(value)
  }
  return value
}
