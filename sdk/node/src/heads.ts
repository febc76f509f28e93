/** Proving what the server says of its log. */

import { checkShape, parseUnproven, type HeaderRules } from "./compact.js"
import { FeedRefused, TokenError, UnknownHeadKey } from "./errors.js"
import { parseHead, type FeedHead } from "./feed-lines.js"
import type { KeyRing } from "./keyring.js"
import { provePayload } from "./proof.js"
import { KNOWN_ALGORITHMS } from "./values.js"

const RULES: HeaderRules = {
  algorithms: new Set<string>(KNOWN_ALGORITHMS),
  types: new Set(["ostiary-feed+jwt"]),
  words: "typ must be ostiary-feed+jwt",
}

/** The head that the issuer's key proves; FeedRefused, or KeysUnavailable where the key cannot be had. */
export async function verifyHead(
  jws: string, keys: KeyRing, issuer: string, isWithdrawn: (kid: string) => boolean,
): Promise<FeedHead> {
  try {
    checkShape(jws)
    const unproven = parseUnproven(jws, RULES)
    if (isWithdrawn(unproven.kid)) throw new FeedRefused("the head is signed by a key that was withdrawn")
    return parseHead(await provePayload(unproven, await keys.load(unproven.kid)), issuer)
  } catch (error) {
    if (error instanceof TokenError && error.code === "unknown_key") throw new UnknownHeadKey(error.description)
    if (error instanceof TokenError) throw new FeedRefused(`a head is not the issuer's: ${error.description}`)
    throw error
  }
}
