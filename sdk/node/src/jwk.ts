/** The issuer's published keys (RFC 7517, RFC 7518 §6, RFC 8037 §2): which may prove a token, and why not. */

import { calculateJwkThumbprint, importJWK, type CryptoKey, type JWK } from "jose"
import { MAX_KID_CHARS } from "./compact.js"
import { FetchError } from "./errors.js"
import { isObject, member, parseBase64url, parseJsonObject, type JsonObject } from "./strict.js"
import type { Algorithm } from "./values.js"

const MIN_RSA_BITS = 2048
const MAX_RSA_BITS = 8192
const MAX_SET_BRACKETS = 512
const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]

const CURVES = [
  { alg: "ES256", crv: "P-256", bytes: 32 },
  { alg: "ES384", crv: "P-384", bytes: 48 },
  { alg: "ES512", crv: "P-521", bytes: 66 },
] as const

/** One key, fixed to one algorithm. `fingerprint` changes when either does. */
export interface VerificationKey {
  readonly kid: string
  readonly alg: Algorithm
  readonly public: CryptoKey
  readonly fingerprint: string
}

/** Usable keys by id, and why the others were refused (for the log). */
export interface KeySet {
  readonly usable: ReadonlyMap<string, VerificationKey>
  readonly refused: readonly string[]
}

/**
 * The keys of a JWK set; FetchError when the document itself is broken.
 * One bad key never harms its neighbours. Two keys under one id are both refused: picking one would be guessing.
 */
export async function parseKeySet(body: Uint8Array): Promise<KeySet> {
  const document = parseJsonObject(body, MAX_SET_BRACKETS)
  const entries = document && member(document, "keys")
  if (!Array.isArray(entries)) throw new FetchError("the key set is not a JSON object with a list named keys")
  const kids = entries.map(entry => (isObject(entry) ? member(entry, "kid") : undefined))
  const usable = new Map<string, VerificationKey>()
  const refused: string[] = []
  for (const [position, entry] of entries.entries()) {
    try {
      const key = await parseKey(entry)
      demand(kids.filter(kid => kid === key.kid).length === 1, "kid stands more than once in the set")
      usable.set(key.kid, key)
    } catch (error) {
      refused.push(`key ${position}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  return { usable, refused }
}

async function parseKey(entry: unknown): Promise<VerificationKey> {
  if (!isObject(entry)) throw new Error("a key must be an object")
  const [kid, alg, use, operations] = ["kid", "alg", "use", "key_ops"].map(name => member(entry, name))
  if (typeof kid !== "string" || kid === "" || kid.length > MAX_KID_CHARS) throw new Error("kid must be a short text")
  demand(!PRIVATE_MEMBERS.some(name => Object.hasOwn(entry, name)), "a published key must not carry private parts")
  demand(use === undefined || use === "sig", "use must be sig")
  const mayVerify = operations === undefined || (Array.isArray(operations) && operations.includes("verify"))
  demand(mayVerify, "key_ops must contain verify")
  const { jwk, alg: known } = parsePublic(entry, alg)
  const imported = await importJWK(jwk, known)
  if (imported instanceof Uint8Array) throw new Error("the key must be asymmetric")
  return { kid, alg: known, public: imported, fingerprint: `${known} ${await calculateJwkThumbprint(jwk)}` }
}

/** The public members alone, checked: whatever else stands in the entry has no say. */
function parsePublic(entry: JsonObject, alg: unknown): { jwk: JWK; alg: Algorithm } {
  const kty = member(entry, "kty"), crv = member(entry, "crv")
  const curve = CURVES.find(each => each.alg === alg && each.crv === crv)
  if (curve !== undefined && kty === "EC") {
    const { crv, bytes } = curve
    return { alg: curve.alg, jwk: { kty, crv, x: sized(entry, "x", bytes), y: sized(entry, "y", bytes) } }
  }
  if (alg === "Ed25519" && kty === "OKP" && crv === "Ed25519") {
    return { alg, jwk: { kty, crv, x: sized(entry, "x", 32) } }
  }
  if ((alg === "RS256" || alg === "PS256") && kty === "RSA" && crv === undefined) {
    const n = bytes(entry, "n"), e = bytes(entry, "e")
    const bits = number(n).toString(2).length, exponent = number(e)
    demand(MIN_RSA_BITS <= bits && bits <= MAX_RSA_BITS, `RSA keys must have ${MIN_RSA_BITS} bits or more`)
    // A giant exponent makes every verification slow; every key in use has 65537 (NIST SP 800-56B §6.2).
    demand(65537n <= exponent && exponent < 2n ** 32n, "the RSA exponent must be 65537 or a little more")
    return { alg, jwk: { kty, n: n.toString("base64url"), e: e.toString("base64url") } }
  }
  throw new Error("alg, kty and crv must belong together and be known here")
}

function bytes(entry: JsonObject, name: string): Buffer {
  const text = member(entry, name)
  const raw = typeof text === "string" ? parseBase64url(text) : undefined
  if (raw === undefined) throw new Error(`${name} must be base64url without padding`)
  return raw
}

function sized(entry: JsonObject, name: string, size: number): string {
  const raw = bytes(entry, name)
  demand(raw.length === size, `${name} must be ${size} bytes long`)
  return raw.toString("base64url")
}

function number(raw: Buffer): bigint {
  return BigInt(`0x${raw.toString("hex")}`)
}

function demand(holds: boolean, words: string): void {
  if (!holds) throw new Error(words)
}
