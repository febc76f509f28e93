/** Proving what the server says of its log. */

import { checkShape, parseUnproven, type HeaderRules } from "./compact.js"
import { FeedRefused, TokenError } from "./errors.js"
import { parseHead, type FeedHead } from "./feed-lines.js"
import type { VerificationKey } from "./jwk.js"
import type { KeyRing } from "./keyring.js"
import { provePayload } from "./proof.js"
import { KNOWN_ALGORITHMS } from "./values.js"

/** The least time between two refreshes that unknown key ids of heads cause. */
const ASK_EVERY_S = 1
const RULES: HeaderRules = {
  algorithms: new Set<string>(KNOWN_ALGORITHMS),
  types: new Set(["ostiary-feed+jwt"]),
  words: "typ must be ostiary-feed+jwt",
}

/** The issuer's keys, as its feed needs them: strangers' tokens use up nothing of it. */
export class HeadKeys {
  #askedAt = -Infinity

  constructor(private readonly keys: KeyRing) {}

  /** Has keys before the first head comes; KeysUnavailable where they cannot be had. */
  async prepare(): Promise<void> {
    if (this.keys.isEmpty && !(await this.keys.reload())) throw this.keys.unavailable()
  }

  /**
   * The head that one of the keys proves; FeedRefused otherwise. An unknown key causes one refresh.
   * So does one that is doubted: it counts only if the issuer publishes it still. Whether the feed has withdrawn the
   * key is not asked here: `FeedLog` does.
   */
  verify(jws: string, issuer: string, isDoubted: (kid: string) => boolean = () => false): Promise<FeedHead> {
    return verifyHead(jws, kid => this.#load(kid, isDoubted(kid)), issuer)
  }

  async #load(kid: string, isDoubted: boolean): Promise<VerificationKey | undefined> {
    if (isDoubted) {
      // The issuer itself, asked after the doubt came: a key that it has withdrawn is gone from there.
      if (!(await this.keys.reload())) throw this.keys.unavailable(kid)
    } else if (this.keys.findBehind(kid) === undefined) {
      const now = performance.now() / 1000
      if (now >= this.#askedAt + ASK_EVERY_S) {
        this.#askedAt = now
        await this.keys.reload()
      }
    }
    return this.keys.findBehind(kid)
  }
}

/** The head that the key proves; FeedRefused, or what looking for the key throws. */
export async function verifyHead(
  jws: string, findKey: (kid: string) => Promise<VerificationKey | undefined>, issuer: string,
): Promise<FeedHead> {
  try {
    checkShape(jws)
    const unproven = parseUnproven(jws, RULES)
    const key = await findKey(unproven.kid)
    if (key === undefined) throw new FeedRefused("a head must be signed by a key that the issuer publishes")
    return parseHead(await provePayload(unproven, key), issuer, unproven.kid)
  } catch (error) {
    if (error instanceof TokenError) throw new FeedRefused(`a head is not the issuer's: ${error.description}`)
    throw error
  }
}
