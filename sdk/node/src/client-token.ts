/** A token of this program itself (client credentials, RFC 6749 §4.4), got once for all who ask and before it ends. */

import { Backoff } from "./backoff.js"
import type { Endpoints } from "./endpoints.js"
import { FetchError } from "./errors.js"
import { asFetchError } from "./http.js"
import { member, parseJsonObject } from "./strict.js"

/** Renewed ahead when this part of its life is over, so that the issuer may be away for the rest of it. */
const RENEW_AT = 0.8
/** Not used in its last seconds: it has to be good when it arrives. */
const MARGIN_S = 5
const LONGEST_LIFE_S = 86_400
/** The life of a token whose answer does not say (RFC 6749 §5.1: the server should tell it otherwise). */
const DEFAULT_LIFE_S = 60
/** A resource that refuses every token must not become a flood of requests to the issuer. */
const DROP_EVERY_S = 5
const FIRST_PAUSE_S = 0.5
const LONGEST_PAUSE_S = 10
/** RFC 6750 §2.1, b64token; nothing else may stand in a header of ours. */
export const BEARER = /^[A-Za-z0-9._~+/-]{1,16384}=*$/

interface Held {
  readonly text: string
  readonly renewAt: number
  readonly endsAt: number
}

export class ClientToken {
  readonly #backoff = new Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
  #held: Held | undefined
  #flight: Promise<void> | undefined
  #nextAttemptAt = -Infinity
  #nextDropAt = -Infinity
  #reason = ""

  constructor(
    private readonly endpoints: Endpoints,
    private readonly form: Readonly<Record<string, string>>,
    private readonly monotonic: () => number,
  ) {}

  /** A token that holds for some seconds at least; FetchError where none can be had. Who has one does not wait. */
  async load(): Promise<string> {
    const now = this.monotonic()
    if (now >= (this.#held?.renewAt ?? -Infinity) && now >= this.#nextAttemptAt) {
      this.#flight ??= this.#fly(now).finally(() => (this.#flight = undefined))
    }
    const found = this.#find(now)
    if (found !== undefined) return found
    await this.#flight
    const fresh = this.#find(this.monotonic())
    if (fresh !== undefined) return fresh
    const retryAfterS = Math.max(this.#nextAttemptAt - this.monotonic(), 0)
    throw new FetchError(`no access token for this service itself: ${this.#reason}`, undefined, { retryAfterS })
  }

  /** A resource refused this token: the next one is another. Obeyed once in 5 s. */
  drop(text: string): void {
    const now = this.monotonic()
    if (this.#held?.text !== text || now < this.#nextDropAt) return
    this.#held = undefined
    this.#nextDropAt = now + DROP_EVERY_S
  }

  #find(now: number): string | undefined {
    return this.#held !== undefined && now < this.#held.endsAt ? this.#held.text : undefined
  }

  /** One request; a failure keeps what there is, and leaves the issuer alone for a while. */
  async #fly(now: number): Promise<void> {
    try {
      this.#held = await this.#ask(now)
      this.#nextAttemptAt = -Infinity
      this.#reason = ""
      this.#backoff.reset()
    } catch (error) {
      const { message, retryAfterS } = asFetchError(error)
      this.#reason = message
      this.#nextAttemptAt = this.monotonic() + this.#backoff.nextPauseS(retryAfterS)
      this.endpoints.forget()
    }
  }

  async #ask(asked: number): Promise<Held> {
    const { body } = await this.endpoints.post("token_endpoint", { grant_type: "client_credentials", ...this.form })
    const answer = parseJsonObject(body, 512) ?? {}
    const [text, kind] = [member(answer, "access_token"), member(answer, "token_type")]
    const life = member(answer, "expires_in") ?? DEFAULT_LIFE_S
    if (typeof text !== "string" || !BEARER.test(text)) throw new FetchError("the issuer's answer holds no access_token")
    if (typeof kind !== "string" || kind.toLowerCase() !== "bearer") {
      throw new FetchError("the issuer's token_type must be Bearer")
    }
    if (typeof life !== "number" || !(life > 0)) {
      throw new FetchError("the issuer's expires_in must be a number of seconds above 0")
    }
    const lifeS = Math.min(life, LONGEST_LIFE_S), marginS = Math.min(MARGIN_S, lifeS * (1 - RENEW_AT))
    return { text, renewAt: asked + RENEW_AT * lifeS, endsAt: asked + lifeS - marginS }
  }
}
