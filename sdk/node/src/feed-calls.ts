/** The four requests of the feed (docs/feed.md), each with the token of this program. */

import { ClientToken } from "./client-token.js"
import { Endpoints, parseCredentials, type Credentials, type TokenSource } from "./endpoints.js"
import { FeedRefused, FetchError } from "./errors.js"
import { ask, open, type Answer, type Fetch } from "./http.js"
import { parseIssuer } from "./discovery.js"
import { splitLines } from "./feed-log.js"
import { member, parseJsonObject } from "./strict.js"

const TIMEOUT_S = 10
const SNAPSHOT_TIMEOUT_S = 60
const MAX_DELTA_BYTES = 16_777_216
const MAX_SNAPSHOT_BYTES = 268_435_456
const LINES = "application/x-ndjson"

/** Who follows: a client with its secret, or with tokens that the program brings itself. */
export type FollowerIdentity = Credentials | { readonly token: TokenSource }

/** Lines, and the signed head about them. */
export interface Told {
  readonly head: string
  readonly body: Buffer
}

export class FeedCalls {
  readonly #url: string
  readonly #load: TokenSource
  readonly #drop: (token: string) => void

  constructor(
    issuer: string,
    identity: FollowerIdentity,
    private readonly follower: string,
    private readonly fetch: Fetch,
    monotonic: () => number,
  ) {
    this.#url = parseIssuer(issuer).feedUrl
    if ("token" in identity) {
      this.#load = identity.token
      this.#drop = () => undefined
    } else {
      const endpoints = new Endpoints(issuer, parseCredentials(identity), fetch, monotonic)
      const own = new ClientToken(endpoints, { scope: "feed:read", resource: issuer }, monotonic)
      this.#load = () => own.load()
      this.#drop = token => own.drop(token)
    }
  }

  /** Everything in force; the head stands in the first line. */
  async snapshot(signal: AbortSignal): Promise<Told> {
    const { body } = await this.#authorized(token => ask(this.fetch, {
      url: `${this.#url}/snapshot`,
      headers: { authorization: `Bearer ${token}`, accept: LINES, "accept-encoding": "gzip" },
      timeoutS: SNAPSHOT_TIMEOUT_S, maxBytes: MAX_SNAPSHOT_BYTES, packed: true, signal,
    }))
    const end = body.indexOf(0x0a)
    return { head: headOf(body.subarray(0, Math.max(end, 0))), body: body.subarray(end + 1) }
  }

  /** What came after a number, within `waitS`; undefined where the log does not go on from there. */
  async delta(epoch: string, after: number, waitS: number, signal: AbortSignal): Promise<Told | undefined> {
    const query = new URLSearchParams({ epoch, after: String(after), wait: String(waitS) })
    const answer = await this.#authorized<Answer>(token => ask(this.fetch, {
      url: `${this.#url}/delta?${query}`, headers: { authorization: `Bearer ${token}`, accept: LINES },
      timeoutS: TIMEOUT_S + waitS, maxBytes: MAX_DELTA_BYTES, allowed: [410], signal,
    }))
    if (answer.status === 410) return undefined
    const last = answer.body.lastIndexOf(0x0a, -2) + 1
    return { head: headOf(answer.body.subarray(last, -1)), body: answer.body.subarray(0, last) }
  }

  /** The stream of events after a number; it ends by `signal`. */
  async events(epoch: string, after: number, signal: AbortSignal): Promise<Response> {
    const url = `${this.#url}/events?${new URLSearchParams({ follower: this.follower })}`
    const response = await this.#authorized(token => open(this.fetch, {
      url, timeoutS: TIMEOUT_S, maxBytes: 0,
      headers: { authorization: `Bearer ${token}`, accept: "text/event-stream", "last-event-id": `${epoch}:${after}` },
    }, signal))
    if (!(response.headers.get("content-type") ?? "").startsWith("text/event-stream") || response.body === null) {
      throw new FetchError("the answer is no stream of events")
    }
    return response
  }

  /** Says that everything up to a number is in force here. */
  async acknowledge(epoch: string, seq: number, signal: AbortSignal): Promise<void> {
    const body = JSON.stringify({ follower: this.follower, epoch, seq })
    await this.#authorized(token => ask(this.fetch, {
      url: `${this.#url}/ack`, method: "POST", body, timeoutS: TIMEOUT_S, maxBytes: 65_536, allowed: [204], signal,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    }))
  }

  async #authorized<Result>(request: (token: string) => Promise<Result>): Promise<Result> {
    const token = await this.#load()
    try {
      return await request(token)
    } catch (error) {
      if (error instanceof FetchError && error.status === 401) this.#drop(token)
      throw error
    }
  }
}

/** The lines of a body, as `FeedLog` takes them. */
export function linesOf(told: Told): Buffer[] {
  return splitLines(told.body)
}

function headOf(line: Buffer): string {
  const head = member(parseJsonObject(line) ?? {}, "head")
  if (typeof head !== "string") throw new FeedRefused("the answer holds no head where one must stand")
  return head
}
