/** A token of this program itself (client credentials, RFC 6749 §4.4), got once for all who ask and before it ends. */

import type { Endpoints } from "./endpoints.js"
import { FetchError } from "./errors.js"
import { isCount, member, parseJsonObject } from "./strict.js"

const RENEW_AT = 0.8
const MAX_LIFE_S = 86_400

interface Held {
  readonly text: string
  readonly renewAt: number
  readonly endsAt: number
}

export class ClientToken {
  #held: Held | undefined
  #flight: Promise<Held> | undefined

  constructor(
    private readonly endpoints: Endpoints,
    private readonly form: Readonly<Record<string, string>>,
    private readonly monotonic: () => number,
  ) {}

  /** A token that holds for a while; FetchError where none can be had. */
  async load(): Promise<string> {
    const held = this.#held
    if (held !== undefined && this.monotonic() < held.renewAt) return held.text
    try {
      this.#flight ??= this.#ask().finally(() => (this.#flight = undefined))
      return (await this.#flight).text
    } catch (error) {
      if (held !== undefined && this.#held === held && this.monotonic() < held.endsAt) return held.text
      throw error
    }
  }

  /** The issuer no longer takes this token. */
  drop(text: string): void {
    if (this.#held?.text === text) this.#held = undefined
  }

  async #ask(): Promise<Held> {
    const asked = this.monotonic()
    const { body } = await this.endpoints.post("tokenEndpoint", { grant_type: "client_credentials", ...this.form })
    const answer = parseJsonObject(body) ?? {}
    const text = member(answer, "access_token"), lifeS = member(answer, "expires_in")
    if (typeof text !== "string" || !/^[!-~]+$/.test(text) || !isCount(lifeS, MAX_LIFE_S)) {
      throw new FetchError("the token endpoint's answer holds no access_token with its expires_in")
    }
    this.#held = { text, renewAt: asked + RENEW_AT * lifeS, endsAt: asked + lifeS }
    return this.#held
  }
}
