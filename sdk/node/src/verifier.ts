/** Proving access tokens of one issuer, made for one audience, without asking the issuer each time. */

import { checkUnexpired, parseAccessToken } from "./claims.js"
import { ACCESS_TOKEN_TYPES, ACCESS_TOKEN_WORDS, checkShape, parseUnproven, type HeaderRules } from "./compact.js"
import { parseIssuer } from "./discovery.js"
import { ConfigurationError, FeedUnavailable, TokenError, Unavailable } from "./errors.js"
import type { Feed } from "./feed.js"
import { Answers } from "./introspected.js"
import type { Introspector } from "./introspection.js"
import type { VerificationKey } from "./jwk.js"
import { fetchKeys, KeyRing, type PublishedKeys } from "./keyring.js"
import { stateOf } from "./lease.js"
import { parseSurroundings, type Surroundings } from "./options.js"
import { decide, parseFailurePolicy, type FailurePolicy, type Sensitivity } from "./policy.js"
import { provePayload } from "./proof.js"
import { checkAuthentication, parseNeeded } from "./step-up.js"
import { LeastRecent, MAX_KEPT_CHARS, type ProvenToken } from "./token-cache.js"
import { parseExpectations, parseKeyPolicy, type AccessToken, type Expectations, type KeyPolicy } from "./values.js"

const DEFAULT_LEEWAY_S = 10
const DEFAULT_CACHE_SIZE = 4096
const DEFAULT_CACHE_AGE_S = 300
/** How long the first requests of a process wait until the feed is known. */
const FIRST_WAIT_S = 3
const INACTIVE = "the issuer says that the token is no longer active"
const SENSITIVITIES: readonly string[] = ["sensitive", "ordinary", "low"] satisfies Sensitivity[]

export interface VerifierOptions extends Surroundings {
  /** Which algorithms may prove a token; ES256 alone by default. */
  readonly algorithms?: readonly string[]
  /** Forgives clocks that differ: 0 to 60, 10 by default. */
  readonly leewayS?: number
  /** For programs that check DPoP or mTLS proofs themselves. */
  readonly acceptsBound?: boolean
  readonly keyPolicy?: Partial<KeyPolicy>
  /** How many verified tokens are remembered; 0 remembers none. */
  readonly tokenCacheSize?: number
  /** How long a verified token is remembered at most. */
  readonly tokenCacheMaxAgeS?: number
  /** Obey what the issuer revokes within a second. Without it a token holds until it expires. */
  readonly feed?: Feed
  /** Whom to ask while the feed is cut off; without one such requests are answered 503. */
  readonly introspector?: Introspector
  readonly failurePolicy?: Partial<FailurePolicy>
}

/** Make one at start and share it; there is nothing to close but the feed. */
export class Verifier {
  readonly #expected: Expectations
  readonly #rules: HeaderRules
  readonly #around: Required<Surroundings>
  readonly #keys: KeyRing
  readonly #cache: LeastRecent<ProvenToken> | undefined
  readonly #cacheAgeS: number
  readonly #feed: Feed | undefined
  readonly #introspector: Introspector | undefined
  readonly #policy: FailurePolicy
  readonly #answers: Answers
  #firstUntil: number | undefined

  /** `audience` is this service's own identifier: a token made for a neighbour is not for us. ConfigurationError. */
  constructor(issuer: string, audience: string, options: VerifierOptions = {}) {
    const { algorithms = ["ES256"], leewayS = DEFAULT_LEEWAY_S, acceptsBound = false, feed, introspector } = options
    const { tokenCacheSize = DEFAULT_CACHE_SIZE, tokenCacheMaxAgeS = DEFAULT_CACHE_AGE_S } = options
    this.#expected = parseExpectations({ issuer, audience, algorithms, leewayS, acceptsBound })
    this.#rules = { algorithms: this.#expected.algorithms, types: ACCESS_TOKEN_TYPES, words: ACCESS_TOKEN_WORDS }
    if (!Number.isInteger(tokenCacheSize) || tokenCacheSize < 0 || !(tokenCacheMaxAgeS >= 0)) {
      throw new ConfigurationError("tokenCacheSize and tokenCacheMaxAgeS must be 0 or more")
    }
    if ([feed, introspector].some(each => each !== undefined && each.issuer !== issuer)) {
      throw new ConfigurationError("feed and introspector must be of the verifier's issuer")
    }
    if (feed === undefined && (introspector !== undefined || options.failurePolicy !== undefined)) {
      throw new ConfigurationError("failurePolicy and introspector are for a verifier with a feed")
    }
    const address = parseIssuer(issuer), keyPolicy = parseKeyPolicy(options.keyPolicy)
    const { fetch, monotonic, log } = (this.#around = parseSurroundings(options))
    const fetchPublished = (): Promise<PublishedKeys> => fetchKeys(fetch, address, keyPolicy.timeoutS)
    this.#keys = feed?.keys ?? new KeyRing(keyPolicy, fetchPublished, monotonic, log)
    this.#cache = tokenCacheSize > 0 ? new LeastRecent(tokenCacheSize) : undefined
    this.#cacheAgeS = tokenCacheMaxAgeS
    this.#feed = feed
    this.#introspector = introspector
    this.#policy = parseFailurePolicy(options.failurePolicy)
    this.#answers = new Answers(this.#policy)
  }

  /**
   * What the token says, proven; TokenError (answer 401), KeysUnavailable or FeedUnavailable (answer 503) otherwise.
   * `sensitivity` is how much harm a revoked token could do here; it matters while the feed is cut off.
   */
  async verify(token: string, { sensitivity = "ordinary" }: { sensitivity?: Sensitivity } = {}): Promise<AccessToken> {
    if (!SENSITIVITIES.includes(sensitivity)) {
      throw new ConfigurationError("sensitivity must be sensitive, ordinary or low")
    }
    checkShape(token)
    const remembered = this.#cache?.find(token)
    const proven = (remembered && (await this.#recheck(remembered, token))) ?? (await this.#prove(token))
    return this.#feed === undefined ? proven.token : this.#obey(token, proven, this.#feed, sensitivity)
  }

  /**
   * The verified token again, if the person proved themselves by a class of `acr`, at most `maxAgeS` ago;
   * InsufficientAuthentication otherwise (answer 401). A token that does not say is never enough.
   */
  requireAuthentication(
    token: AccessToken, { acr, maxAgeS }: { acr?: string | readonly string[]; maxAgeS?: number },
  ): AccessToken {
    const needed = parseNeeded(acr, maxAgeS)
    if (needed === undefined) throw new ConfigurationError("acr or maxAgeS must say what is needed")
    checkAuthentication(token, needed, this.#around.clock(), this.#expected.leewayS)
    return token
  }

  /** A remembered token, if its key is still published as it was and it has not expired (S39). */
  async #recheck(proven: ProvenToken, text: string): Promise<ProvenToken | undefined> {
    if (this.#around.monotonic() - proven.provenAt >= this.#cacheAgeS) return this.#forget(text)
    try {
      const key = this.#keys.findFresh(proven.kid) ?? (await this.#keys.load(proven.kid))
      if (key.fingerprint !== proven.keyFingerprint) return this.#forget(text)
      checkUnexpired(proven.token, this.#expected, this.#around.clock())
      return proven
    } catch (error) {
      this.#forget(text)
      throw error
    }
  }

  #forget(text: string): undefined {
    this.#cache?.forget(text)
    return undefined
  }

  async #prove(token: string): Promise<ProvenToken> {
    const unproven = parseUnproven(token, this.#rules)
    const key: VerificationKey = await this.#keys.load(unproven.kid)
    const payload = await provePayload(unproven, key)
    const access = parseAccessToken(payload, this.#expected, this.#around.clock())
    const provenAt = this.#around.monotonic()
    const proven = { token: access, kid: key.kid, keyFingerprint: key.fingerprint, provenAt }
    if (token.length <= MAX_KEPT_CHARS) this.#cache?.keep(token, proven)
    return proven
  }

  /** The token with what is known since it was issued; refused where it was revoked, or where we cannot know. */
  async #obey(text: string, proven: ProvenToken, feed: Feed, sensitivity: Sensitivity): Promise<AccessToken> {
    if (!feed.isReady) await this.#waitAtFirst(feed)
    this.#checkRefusals(text, proven, feed)
    const state = stateOf(feed.ageS(), this.#policy), { jti } = proven.token, tick = this.#around.monotonic()
    switch (decide(this.#policy, sensitivity, state, this.#introspector !== undefined)) {
      case "accept":
        break
      case "accept_and_introspect":
        if (this.#answers.begin(jti, tick)) void this.#askBehind(text, proven.token)
        break
      case "introspect":
        if (this.#answers.isBelieved(jti, tick)) break
        await this.#ask(text, proven.token)
        // That took a while: what the clock and the feed say by now counts as well.
        checkUnexpired(proven.token, this.#expected, this.#around.clock())
        this.#checkRefusals(text, proven, feed)
        break
      case "unavailable":
        throw new FeedUnavailable(this.#policy.retryAfterS, `the feed is ${state}`)
    }
    return feed.revocations.overlay(proven.token)
  }

  /** A process that has just begun knows nothing yet: its first requests wait a moment, later ones never. */
  async #waitAtFirst(feed: Feed): Promise<void> {
    const now = this.#around.monotonic()
    this.#firstUntil ??= now + FIRST_WAIT_S
    if (now < this.#firstUntil) await feed.waitReady(this.#firstUntil - now)
  }

  #checkRefusals(text: string, proven: ProvenToken, feed: Feed): void {
    const refusal = feed.revocations.refusal(proven.token, proven.kid)
    if (refusal !== undefined) this.#refuse(text, refusal.words)
    if (this.#answers.isRefused(proven.token.jti)) this.#refuse(text, INACTIVE)
  }

  #refuse(text: string, words: string): never {
    this.#forget(text)
    throw new TokenError("revoked", words)
  }

  /** TokenError where the issuer says no, FeedUnavailable where it cannot be asked; never a silent yes. */
  async #ask(text: string, token: AccessToken): Promise<void> {
    const { introspectionTimeoutS, retryAfterS } = this.#policy, askedAt = this.#around.monotonic()
    let isActive: unknown
    try {
      isActive = await within(introspectionTimeoutS, this.#introspector?.introspect(text))
    } catch (error) {
      this.#answers.recordFailure(this.#around.monotonic())
      const words = error instanceof Unavailable ? error.reason : String(error)
      throw new FeedUnavailable(retryAfterS, `the feed is late, and introspection failed: ${words}`.slice(0, 200))
    }
    if (typeof isActive !== "boolean") throw new FeedUnavailable(retryAfterS, "the introspector said neither yes nor no")
    const endsAt = token.exp + this.#expected.leewayS
    this.#answers.record(token.jti, isActive, askedAt, endsAt, this.#around.clock())
    if (!isActive) this.#refuse(text, INACTIVE)
  }

  /** What the issuer answers counts for the requests to come. */
  async #askBehind(text: string, token: AccessToken): Promise<void> {
    try {
      await this.#ask(text, token)
    } catch (error) {
      const words = error instanceof Unavailable ? error.reason : String(error)
      this.#around.log(`a token was introspected behind its request: ${words.slice(0, 200)}`)
    } finally {
      this.#answers.end(token.jti)
    }
  }
}

async function within<Value>(seconds: number, work: Promise<Value> | undefined): Promise<Value | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${seconds} s`)), seconds * 1000)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
