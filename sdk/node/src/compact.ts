/** Taking a token apart: the compact form and its header, before any key is asked for (RFC 7515 §3.1, RFC 8725 §3). */

import { TokenError } from "./errors.js"
import { member, parseBase64url, parseJsonObject, type JsonObject } from "./strict.js"

export const MAX_TOKEN_CHARS = 16_384
export const MAX_KID_CHARS = 256

/** What a token's header must say; `words` go into the refusal of another type. */
export interface HeaderRules {
  readonly algorithms: ReadonlySet<string>
  readonly types: ReadonlySet<string>
  readonly words: string
}

export const ACCESS_TOKEN_TYPES: ReadonlySet<string> = new Set(["at+jwt", "application/at+jwt"])
export const ACCESS_TOKEN_WORDS = "typ must be at+jwt: only access tokens are accepted here"
const SHAPE = /^[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*$/

/**
 * Headers by which a token brings its own key or says where to fetch one. Such a token proves nothing, and following
 * a URL in it would be a gift to an attacker. Refusing is louder than ignoring, and Ostiary's tokens carry none.
 */
export const KEY_HEADERS = ["jwk", "jku", "x5u", "x5c"] as const

/** A token's header, checked. Nothing in it is proven yet; the payload stays encoded on purpose. */
export interface UnprovenToken {
  readonly alg: string
  readonly kid: string
  readonly token: string
}

/** Throws TokenError unless the token's size and alphabet allow it to be one, before any costly step (S38). */
export function checkShape(token: unknown): asserts token is string {
  if (typeof token !== "string") throw new TokenError("malformed", "the token must be text")
  if (token.length > MAX_TOKEN_CHARS) {
    throw new TokenError("too_large", `the token must be at most ${MAX_TOKEN_CHARS} characters long`)
  }
  if (!SHAPE.test(token)) {
    throw new TokenError("malformed", "the token must be three base64url parts joined by dots")
  }
}

/** The token's header, where it is acceptable; TokenError otherwise. `token` passed `checkShape`. */
export function parseUnproven(token: string, rules: HeaderRules): UnprovenToken {
  const [head = "", , signature = ""] = token.split(".")
  const header = readPart(head, "header")
  const { alg, kid } = parseHeader(header, rules)
  if (parseBase64url(signature) === undefined) {
    throw new TokenError("malformed", "the token's signature must be base64url without padding")
  }
  return { alg, kid, token }
}

/** The claims, unproven: call it once the signature was checked. */
export function parsePayload(token: string): JsonObject {
  return readPart(token.split(".")[1] ?? "", "payload")
}

function readPart(part: string, name: string): JsonObject {
  const raw = parseBase64url(part)
  if (raw === undefined) throw new TokenError("malformed", `the token's ${name} must be base64url without padding`)
  const value = parseJsonObject(raw)
  if (value === undefined) throw new TokenError("malformed", `the token's ${name} must be a plain JSON object in UTF-8`)
  return value
}

function parseHeader(header: JsonObject, rules: HeaderRules): { alg: string; kid: string } {
  const alg = member(header, "alg"), kid = member(header, "kid"), typ = member(header, "typ")
  if (typeof alg !== "string" || !rules.algorithms.has(alg)) {
    throw new TokenError("wrong_algorithm", "alg must be an algorithm that this service accepts")
  }
  if (typeof typ !== "string" || !rules.types.has(typ.toLowerCase())) {
    throw new TokenError("wrong_type", rules.words)
  }
  // `b64` changes what is signed and must be critical (RFC 7797 §6); without that others may read it as they like.
  if (Object.hasOwn(header, "crit") || Object.hasOwn(header, "b64")) {
    throw new TokenError("critical_header", "crit names an extension that is not understood here")
  }
  if (KEY_HEADERS.some(name => Object.hasOwn(header, name))) {
    throw new TokenError("key_in_header", "the header must not bring or point to a key")
  }
  if (typeof kid !== "string" || kid === "" || kid.length > MAX_KID_CHARS) {
    throw new TokenError("malformed", "kid must name the issuer's key")
  }
  return { alg, kid }
}
