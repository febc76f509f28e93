/** Calls to the issuer as a client with a secret: where its endpoints are, and how the client says who it is. */

import { parseIssuer, type EndpointName, type IssuerAddress, type Metadata } from "./discovery.js"
import { ConfigurationError } from "./errors.js"
import { ask, type Answer, type Fetch } from "./http.js"
import { fetchMetadata } from "./keyring.js"
import { checkText } from "./values.js"

const METADATA_LIFE_S = 300
const TIMEOUT_S = 5
const MAX_ANSWER_BYTES = 131_072

export interface Credentials {
  readonly clientId: string
  readonly clientSecret: string
}

/** One client at one issuer. */
export class Endpoints {
  readonly address: IssuerAddress
  readonly #authorization: string
  #metadata: { readonly value: Metadata; readonly until: number } | undefined

  constructor(
    issuer: string,
    credentials: Credentials,
    private readonly fetch: Fetch,
    private readonly monotonic: () => number,
  ) {
    checkText("clientId", credentials.clientId)
    checkText("clientSecret", credentials.clientSecret)
    this.address = parseIssuer(issuer)
    const pair = `${formEncoded(credentials.clientId)}:${formEncoded(credentials.clientSecret)}`
    this.#authorization = `Basic ${Buffer.from(pair).toString("base64")}`
  }

  /** The answer to a form that the client posts to one of the issuer's endpoints; FetchError. */
  async post(endpoint: EndpointName, form: Record<string, string>, signal?: AbortSignal): Promise<Answer> {
    const url = (await this.#load()).endpoint(endpoint)
    const headers = { authorization: this.#authorization, "content-type": "application/x-www-form-urlencoded" }
    const body = new URLSearchParams(form).toString()
    const bounds = { timeoutS: TIMEOUT_S, maxBytes: MAX_ANSWER_BYTES, ...(signal === undefined ? {} : { signal }) }
    return ask(this.fetch, { url, method: "POST", headers, body, ...bounds })
  }

  /** Asks for the metadata again at the next call. */
  forget(): void {
    this.#metadata = undefined
  }

  async #load(): Promise<Metadata> {
    const now = this.monotonic()
    if (this.#metadata === undefined || now >= this.#metadata.until) {
      try {
        const value = await fetchMetadata(this.fetch, this.address, TIMEOUT_S)
        this.#metadata = { value, until: now + METADATA_LIFE_S }
      } catch (error) {
        if (this.#metadata === undefined) throw error
      }
    }
    return this.#metadata.value
  }
}

/** Instead of a secret, a function that brings tokens. */
export type TokenSource = () => Promise<string>

/** The credentials, where they are whole; ConfigurationError. */
export function parseCredentials(asked: Partial<Credentials>): Credentials {
  const { clientId, clientSecret } = asked
  if (clientId === undefined || clientSecret === undefined) {
    throw new ConfigurationError("clientId and clientSecret must both be given")
  }
  return { clientId, clientSecret }
}

/** RFC 6749 §2.3.1: id and secret are form-encoded before they are joined. */
function formEncoded(text: string): string {
  return new URLSearchParams({ "": text }).toString().slice(1)
}
