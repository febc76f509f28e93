/** What all guards have in common, whatever the framework: who is let in, and how the others are answered. */

import { parseBearer, refusalFor, responseParts } from "./bearer.js"
import { ConfigurationError, InsufficientScope, NotGuarded } from "./errors.js"
import type { Sensitivity } from "./policy.js"
import { parseNeeded, type NeededAuthentication } from "./step-up.js"
import { hasScopes, type AccessToken } from "./values.js"
import type { Verifier } from "./verifier.js"

export interface GuardOptions {
  /** Scopes that every request needs. */
  readonly scopes?: readonly string[]
  /** A class of sign-in that every request needs, or several acceptable ones. */
  readonly acr?: string | readonly string[]
  /** How old the sign-in may be, in seconds. */
  readonly maxAgeS?: number
  /** How much harm a revoked token could do on these routes; `ordinary` by default. */
  readonly sensitivity?: Sensitivity
  /** Names this API in the refusals. */
  readonly realm?: string
  /** Where this API says which issuer it trusts (RFC 9728); named in the refusals. */
  readonly metadataUrl?: string
}

/** A refusal, ready to be sent. */
export interface RefusedAnswer {
  readonly status: 400 | 401 | 403 | 503
  readonly headers: Record<string, string>
  readonly body: string
}

/** A proven token, or the answer to send instead of the route's. */
export type Admission = { readonly token: AccessToken } | { readonly refused: RefusedAnswer }

const admitted = new WeakMap<object, AccessToken>()

/** The proven token of a guarded request (for Hono: of its context); NotGuarded where no guard stood before it. */
export function loadToken(request: object): AccessToken {
  const token = admitted.get(request)
  if (token === undefined) throw new NotGuarded("this route is not behind requireToken")
  return token
}

export class Guard {
  readonly #scopes: readonly string[]
  readonly #needed: NeededAuthentication | undefined
  readonly #sensitivity: Sensitivity
  readonly #realm: string
  readonly #metadataUrl: string | undefined

  constructor(private readonly verifier: Verifier, options: GuardOptions) {
    const { scopes = [], sensitivity = "ordinary", realm = "api" } = options
    if (!Array.isArray(scopes)) throw new ConfigurationError("scopes must be a list of strings")
    if (!["sensitive", "ordinary", "low"].includes(sensitivity)) {
      throw new ConfigurationError("sensitivity must be sensitive, ordinary or low")
    }
    this.#scopes = [...scopes]
    this.#needed = parseNeeded(options.acr, options.maxAgeS)
    this.#sensitivity = sensitivity
    this.#realm = realm
    this.#metadataUrl = options.metadataUrl
  }

  /** Judges one request by the values of its Authorization header, and remembers the token of who is let in. */
  async admit(request: object, authorization: readonly string[]): Promise<Admission> {
    try {
      const token = await this.verifier.verify(parseBearer(authorization), { sensitivity: this.#sensitivity })
      if (!hasScopes(token, ...this.#scopes)) throw new InsufficientScope(this.#scopes)
      if (this.#needed !== undefined) this.verifier.requireAuthentication(token, asDemand(this.#needed))
      admitted.set(request, token)
      return { token }
    } catch (error) {
      // A stacked guard may have let the request in for less.
      admitted.delete(request)
      const refusal = refusalFor(error)
      if (refusal === undefined) throw error
      return { refused: { status: refusal.status, ...responseParts(refusal, this.#realm, this.#metadataUrl) } }
    }
  }
}

/** Every value of a header in Node's raw list; the parsed one hides that there were two. */
export function headerValues(rawHeaders: readonly string[], name: string): string[] {
  return rawHeaders.filter((_, place) => place % 2 === 1 && rawHeaders[place - 1]?.toLowerCase() === name)
}

function asDemand({ acr, maxAgeS }: NeededAuthentication): { acr: readonly string[]; maxAgeS?: number } {
  return maxAgeS === undefined ? { acr } : { acr, maxAgeS }
}
