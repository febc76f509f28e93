/** Asking the issuer itself whether a token holds (RFC 7662), while the feed cannot say. */

import { createHash } from "node:crypto"
import { Backoff } from "./backoff.js"
import { BEARER } from "./client-token.js"
import { Endpoints, type Credentials } from "./endpoints.js"
import { ConfigurationError, FetchError, IntrospectionUnavailable } from "./errors.js"
import { asFetchError, limited } from "./http.js"
import { ANSWER_AGE_S } from "./introspected.js"
import { parseSurroundings, type Surroundings } from "./options.js"
import { member, parseJsonObject } from "./strict.js"
import { LeastRecent } from "./token-cache.js"

const MOST_REMEMBERED = 4096
const MAX_ANSWER_BRACKETS = 512
const FIRST_PAUSE_S = 0.2
const LONGEST_PAUSE_S = 5

export interface IntrospectorOptions extends Credentials, Surroundings {
  /** How long one question may take, waiting for its turn included: above 0, 60 at most, 3 by default. */
  readonly timeoutS?: number
  /** How long an answer is believed: 0 to 1, 1 by default. An older one would stretch the bounds of FailurePolicy. */
  readonly believedS?: number
  /** How many questions are under way at most, 16 by default. */
  readonly mostAtOnce?: number
}

interface Flight {
  readonly answer: Promise<boolean>
  readonly beganAt: number
}

/**
 * Asks the issuer whether a token is active. The client must be allowed to use the API that the tokens are for, or
 * every token looks inactive to it. One question is under way for a token, however many ask; what is long on its way
 * is believed no longer than an answer is: who asks later than that asks anew. After a failure the issuer is left
 * alone for a moment, up to 5 s, and everybody hears so at once.
 */
export class Introspector {
  readonly #endpoints: Endpoints
  readonly #monotonic: () => number
  readonly #timeoutS: number
  readonly #believedS: number
  readonly #answers = new LeastRecent<{ readonly isActive: boolean; readonly askedAt: number }>(MOST_REMEMBERED)
  readonly #flights = new Map<string, Flight>()
  readonly #backoff = new Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
  readonly #turns: Turns
  #pauseUntil = -Infinity
  #reason = ""

  constructor(issuer: string, options: IntrospectorOptions) {
    const { timeoutS = 3, believedS = 1, mostAtOnce = 16 } = options
    const isGood = timeoutS > 0 && timeoutS <= 60 && believedS >= 0 && believedS <= ANSWER_AGE_S
    if (!isGood || !Number.isInteger(mostAtOnce) || mostAtOnce < 1) {
      throw new ConfigurationError(
        `timeoutS must be above 0 and at most 60, believedS 0 to ${ANSWER_AGE_S}, mostAtOnce at least 1`,
      )
    }
    const { fetch, monotonic } = parseSurroundings(options)
    this.#endpoints = new Endpoints(issuer, options, fetch, monotonic)
    this.#monotonic = monotonic
    this.#timeoutS = timeoutS
    this.#believedS = believedS
    this.#turns = new Turns(mostAtOnce)
  }

  get issuer(): string {
    return this.#endpoints.address.issuer
  }

  /** Whether the token is active; IntrospectionUnavailable where the issuer cannot be asked, which is never a yes. */
  async introspect(token: string): Promise<boolean> {
    // Nothing that the issuer could have issued, and nothing to send around.
    if (!BEARER.test(token)) return false
    const digest = createHash("sha256").update(token).digest("base64"), now = this.#monotonic()
    const known = this.#answers.find(digest)
    if (known !== undefined && now >= known.askedAt && now - known.askedAt < this.#believedS) return known.isActive
    const flight = this.#flights.get(digest)
    // What is long under way may have been answered before the token was revoked.
    if (flight !== undefined && now - flight.beganAt < ANSWER_AGE_S) return flight.answer
    if (now < this.#pauseUntil) throw unavailable(this.#pauseUntil - now, this.#reason)
    return this.#begin(token, digest, now)
  }

  #begin(token: string, digest: string, now: number): Promise<boolean> {
    const answer = this.#fly(token, digest, now).finally(() => {
      if (this.#flights.get(digest)?.answer === answer) this.#flights.delete(digest)
    })
    this.#flights.set(digest, { answer, beganAt: now })
    return answer
  }

  async #fly(token: string, digest: string, askedAt: number): Promise<boolean> {
    const limit = limited(undefined, this.#timeoutS, `the issuer did not answer within ${this.#timeoutS} s`)
    let isActive: boolean
    try {
      isActive = await this.#turns.take(limit.signal, () => this.#ask(token, limit.signal))
    } catch (error) {
      const failure = asFetchError(error)
      this.#reason = failure.message
      const pauseS = this.#backoff.nextPauseS(failure.retryAfterS)
      this.#pauseUntil = this.#monotonic() + pauseS
      // Where the endpoint is may be what has changed.
      this.#endpoints.forget()
      throw unavailable(failure.retryAfterS, failure.message)
    } finally {
      limit.release()
    }
    this.#backoff.reset()
    this.#remember(digest, isActive, askedAt)
    return isActive
  }

  async #ask(token: string, signal: AbortSignal): Promise<boolean> {
    const form = { token, token_type_hint: "access_token" }
    const { body } = await this.#endpoints.post("introspection_endpoint", form, signal)
    const active = member(parseJsonObject(body, MAX_ANSWER_BRACKETS) ?? {}, "active")
    if (typeof active !== "boolean") throw new FetchError("the issuer's answer does not say whether the token is active")
    return active
  }

  #remember(digest: string, isActive: boolean, askedAt: number): void {
    // A later question may have been answered first.
    if ((this.#answers.find(digest)?.askedAt ?? -Infinity) > askedAt) return
    this.#answers.keep(digest, { isActive, askedAt })
  }
}

/** So many at once; who waits leaves the line when their time is over. */
class Turns {
  readonly #waiting = new Set<() => void>()
  #free: number

  constructor(most: number) {
    this.#free = most
  }

  async take<Value>(signal: AbortSignal, work: () => Promise<Value>): Promise<Value> {
    if (this.#free > 0) this.#free -= 1
    else await this.#wait(signal)
    try {
      return await work()
    } finally {
      // The turn goes from hand to hand.
      const [next] = this.#waiting
      if (next === undefined) this.#free += 1
      else next()
    }
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(come)
        reject(signal.reason)
      }
      const come = (): void => {
        this.#waiting.delete(come)
        signal.removeEventListener("abort", leave)
        resolve()
      }
      this.#waiting.add(come)
      signal.addEventListener("abort", leave, { once: true })
    })
  }
}

function unavailable(waitS: number, reason: string): IntrospectionUnavailable {
  return new IntrospectionUnavailable(Math.max(1, Math.round(waitS)), reason)
}
