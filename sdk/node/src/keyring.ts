/**
 * The issuer's keys: when they are fresh, stale or lost, and when to ask again.
 * Times are seconds of one monotonic clock, so that a wall clock set back never makes old keys young.
 */

import { parseFreshness, parseMetadata, type IssuerAddress, type Metadata } from "./discovery.js"
import { FetchError, KeysUnavailable, TokenError } from "./errors.js"
import { ask, limited, type Fetch } from "./http.js"
import { parseKeySet, type KeySet, type VerificationKey } from "./jwk.js"
import type { Log } from "./options.js"
import { LeastRecent } from "./token-cache.js"
import type { KeyPolicy } from "./values.js"

const FIRST_RETRY_S = 1
const MAX_DOCUMENT_BYTES = 131_072
const MAX_UNKNOWN = 1024

/** What the issuer publishes at this moment; `freshForS` is what the answer allowed, undefined where it was silent. */
export interface PublishedKeys {
  readonly keys: KeySet
  readonly freshForS: number | undefined
}

/** Metadata, then keys, both within `timeoutS`; FetchError when an answer cannot be had or believed. */
export async function fetchKeys(fetch: Fetch, address: IssuerAddress, timeoutS: number): Promise<PublishedKeys> {
  const limit = limited(undefined, timeoutS, `no whole answer within ${timeoutS} s`)
  try {
    const metadata = await fetchMetadata(fetch, address, timeoutS, limit.signal)
    const asked = { url: metadata.endpoint("jwks_uri"), timeoutS, maxBytes: MAX_DOCUMENT_BYTES, signal: limit.signal }
    const { headers, body } = await ask(fetch, asked)
    const freshForS = parseFreshness(headers.get("cache-control") ?? "", headers.get("age") ?? "")
    return { keys: await parseKeySet(body), freshForS }
  } finally {
    limit.release()
  }
}

/** The issuer's metadata, checked; FetchError. */
export async function fetchMetadata(
  fetch: Fetch, address: IssuerAddress, timeoutS: number, signal?: AbortSignal,
): Promise<Metadata> {
  const bounds = { timeoutS, maxBytes: MAX_DOCUMENT_BYTES, ...(signal === undefined ? {} : { signal }) }
  const { body } = await ask(fetch, { url: address.metadataUrl, ...bounds })
  return parseMetadata(body, address)
}

/** The keys of one issuer. Refreshes are one at a time, however many ask. */
export class KeyRing {
  #keys: KeySet["usable"] = new Map()
  #renewAt = -Infinity
  #freshUntil = -Infinity
  #usableUntil = -Infinity
  #nextAttemptAt = -Infinity
  #nextSearchAt = -Infinity
  #failures = 0
  #reason = "never fetched"
  #flight: Promise<void> | undefined
  /** Key ids that the issuer did not know, and until when it is not asked again. */
  #unknown = new LeastRecent<number>(MAX_UNKNOWN)

  constructor(
    private readonly policy: KeyPolicy,
    private readonly fetchPublished: () => Promise<PublishedKeys>,
    private readonly monotonic: () => number,
    private readonly log: Log,
  ) {}

  /** The key, if it may be used without waiting. */
  findFresh(kid: string): VerificationKey | undefined {
    const now = this.monotonic()
    if (now >= this.#freshUntil) return undefined
    const key = this.#keys.get(kid)
    if (key !== undefined && now >= this.#renewAt && this.#mayAsk(kid, now)) void this.#refresh()
    return key
  }

  /**
   * The key, after everything allowed was tried.
   * KeysUnavailable when we cannot know, because the keys are too old or the last refresh failed; TokenError when we
   * do know, and the issuer publishes no such key.
   */
  async load(kid: string): Promise<VerificationKey> {
    const fresh = this.findFresh(kid)
    if (fresh !== undefined) return fresh
    // While somebody else refreshes, or the issuer is away, a stale key does; only who has no key at all waits.
    const stale = this.#findUsable(kid)
    if (stale !== undefined && (this.#flight !== undefined || this.#failures > 0)) return this.findBehind(kid) ?? stale
    const asks = this.#mayAsk(kid, this.monotonic())
    if (asks || this.#flight !== undefined) await this.#refresh()
    const key = this.#findUsable(kid)
    if (key !== undefined) return key
    const now = this.monotonic()
    if (this.#failures > 0 || now >= this.#usableUntil) throw this.unavailable(kid)
    // During a cool-down nobody asked for this key id, so nothing was learnt about it.
    if (asks) this.#unknown.keep(kid, now + this.policy.unknownForS)
    throw new TokenError("unknown_key", "kid names no key that the issuer publishes for access tokens")
  }

  /** Whether there are no keys at all. */
  get isEmpty(): boolean {
    return this.#keys.size === 0
  }

  /** The key as it is known, renewed behind where that is due: heads that wait for keys would make the lease old. */
  findBehind(kid: string): VerificationKey | undefined {
    const key = this.#findUsable(kid), now = this.monotonic()
    if (key !== undefined && now >= Math.min(this.#renewAt, this.#freshUntil) && this.#mayAsk(kid, now)) {
      void this.#refresh()
    }
    return key
  }

  /** Asks the issuer now, whatever was asked before; false where it could not be asked. */
  async reload(): Promise<boolean> {
    await this.#flight
    await this.#refresh()
    return this.#failures === 0
  }

  /** The error for who needs a key that cannot be had. */
  unavailable(kid = ""): KeysUnavailable {
    const now = this.monotonic()
    const waitS = Math.min(Math.max(this.#nextAskAt(kid) - now, 1), this.policy.cooldownS)
    return new KeysUnavailable(Math.ceil(waitS), this.#reason || "too old")
  }

  /** Ask again at the next use: the feed said that the keys have changed. */
  expire(): void {
    this.#freshUntil = this.#nextSearchAt = -Infinity
    this.#unknown = new LeastRecent(MAX_UNKNOWN)
  }

  #findUsable(kid: string): VerificationKey | undefined {
    return this.monotonic() < this.#usableUntil ? this.#keys.get(kid) : undefined
  }

  /** False during a cool-down: unknown key ids must not become requests to the issuer (S37). */
  #mayAsk(kid: string, now: number): boolean {
    return now >= this.#nextAskAt(kid)
  }

  /** Unknown ids wait on their own: they neither profit from keys that age fast nor keep the known from renewal. */
  #nextAskAt(kid: string): number {
    if (this.#keys.has(kid)) return this.#nextAttemptAt
    // After a failure the due refresh is made for any reason, by the pauses between attempts.
    const isDue = this.#failures > 0 && this.monotonic() >= this.#renewAt
    const searchAt = isDue ? -Infinity : this.#nextSearchAt
    return Math.max(this.#nextAttemptAt, searchAt, this.#unknown.find(kid) ?? -Infinity)
  }

  #refresh(): Promise<void> {
    this.#flight ??= this.#fetchOnce().finally(() => (this.#flight = undefined))
    return this.#flight
  }

  async #fetchOnce(): Promise<void> {
    try {
      this.#record(await this.fetchPublished())
    } catch (error) {
      this.#recordFailure(error)
    }
  }

  /** Take over what the issuer publishes now; keys that are gone from it are gone here (S39). */
  #record({ keys, freshForS }: PublishedKeys): void {
    const { policy } = this, now = this.monotonic()
    const lifeS = Math.min(Math.max(freshForS ?? policy.defaultAgeS, policy.minAgeS), policy.maxAgeS)
    this.#keys = keys.usable
    this.#renewAt = now + policy.refreshAt * lifeS
    this.#freshUntil = now + lifeS
    this.#usableUntil = this.#freshUntil + policy.maxStaleS
    this.#nextAttemptAt = now
    this.#nextSearchAt = now + policy.cooldownS
    this.#failures = 0
    this.#reason = ""
    for (const words of keys.refused) this.log(`a published key is not used: ${words.slice(0, 200)}`)
  }

  /** Keep what is there and wait: one second first, twice as long each time, the cool-down at most. */
  #recordFailure(error: unknown): void {
    const waitS = Math.min(FIRST_RETRY_S * 2 ** Math.min(this.#failures, 16), this.policy.cooldownS)
    const now = this.monotonic()
    this.#nextAttemptAt = now + waitS
    // Where there are no keys at all, every key id is unknown: then the pauses between attempts are enough.
    if (this.#keys.size > 0) this.#nextSearchAt = now + this.policy.cooldownS
    this.#failures += 1
    const known = error instanceof FetchError ? error : new FetchError(String(error))
    this.#reason = known.message.slice(0, 200)
    this.log(`the issuer's keys could not be refreshed: ${this.#reason}`)
  }
}
