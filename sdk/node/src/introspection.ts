/** Asking the issuer whether a token still holds (RFC 7662), while the feed cannot say. */

import { Endpoints, type Credentials } from "./endpoints.js"
import { FetchError } from "./errors.js"
import { parseSurroundings, type Surroundings } from "./options.js"
import { member, parseJsonObject } from "./strict.js"
import { LeastRecent } from "./token-cache.js"

const MAX_ANSWERS = 4096
const MAX_FLIGHTS = 64

/** The client must be allowed to use the API that the tokens are for, or every token looks inactive to it. */
export class Introspector {
  readonly #endpoints: Endpoints
  readonly #monotonic: () => number
  readonly #answers = new LeastRecent<{ readonly active: boolean; readonly askedAt: number }>(MAX_ANSWERS)
  readonly #flights = new Map<string, Promise<boolean>>()

  constructor(issuer: string, options: Credentials & Surroundings) {
    const { fetch, monotonic } = parseSurroundings(options)
    this.#endpoints = new Endpoints(issuer, options, fetch, monotonic)
    this.#monotonic = monotonic
  }

  get issuer(): string {
    return this.#endpoints.address.issuer
  }

  /** Whether the issuer has said that the token no longer holds; that never changes again. */
  isRefused(token: string): boolean {
    return this.#answers.find(token)?.active === false
  }

  /**
   * Whether the token holds, by the issuer's word that is at most `believedS` old, so that one token does not become
   * a flood of questions; FetchError where it does not answer.
   */
  async isActive(token: string, believedS: number): Promise<boolean> {
    const known = this.#answers.find(token)
    if (known !== undefined && (!known.active || this.#monotonic() < known.askedAt + believedS)) return known.active
    let flight = this.#flights.get(token)
    if (flight === undefined) {
      if (this.#flights.size >= MAX_FLIGHTS) throw new FetchError("too many questions to the issuer at once")
      flight = this.#ask(token).finally(() => this.#flights.delete(token))
      this.#flights.set(token, flight)
    }
    return flight
  }

  async #ask(token: string): Promise<boolean> {
    const askedAt = this.#monotonic()
    const { body } = await this.#endpoints.post("introspectionEndpoint", { token, token_type_hint: "access_token" })
    const active = member(parseJsonObject(body) ?? {}, "active")
    if (typeof active !== "boolean") throw new FetchError("the introspection endpoint's answer does not say active")
    this.#answers.keep(token, { active, askedAt })
    return active
  }
}
