/** The four requests of the feed (docs/feed.md), each with the token of this program. */

import { BEARER, ClientToken } from "./client-token.js"
import { Endpoints, parseCredentials, type Credentials, type TokenSource } from "./endpoints.js"
import { ConfigurationError, FeedRefused, FetchError } from "./errors.js"
import { ask, open, type Answer, type Fetch } from "./http.js"
import { parseIssuer } from "./discovery.js"
import { splitLines } from "./feed-log.js"
import { member, parseJsonObject } from "./strict.js"

const TIMEOUT_S = 5
const SNAPSHOT_TIMEOUT_S = 30
/** A server that is away keeps no program from ending. */
const GOODBYE_S = 1
const MAX_DELTA_BYTES = 8_388_608
const MAX_SNAPSHOT_BYTES = 67_108_864
const LINES = "application/x-ndjson"
const EVENTS = "text/event-stream"

/** Who follows: a client with its secret, or with tokens that the program brings itself. */
export type FollowerIdentity = Credentials | { readonly token: TokenSource }

/** Lines, and the signed head about them; `asked` is when the request was sent. */
export interface Told {
  readonly head: string
  readonly body: Buffer
  readonly asked: number
}

/** An open stream, and when it was asked for. */
export interface EventStream {
  readonly body: AsyncIterable<Uint8Array>
  readonly asked: number
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
    private readonly monotonic: () => number,
  ) {
    this.#url = parseIssuer(issuer).feedUrl
    if ("token" in identity) {
      if (typeof identity.token !== "function" || "clientId" in identity || "clientSecret" in identity) {
        throw new ConfigurationError("give clientId and clientSecret, or token, which must be a function")
      }
      this.#load = () => fromProgram(identity.token)
      this.#drop = () => undefined
    } else {
      const endpoints = new Endpoints(issuer, parseCredentials(identity), fetch, monotonic)
      const own = new ClientToken(endpoints, { scope: "feed:read", resource: issuer }, monotonic)
      this.#load = () => own.load()
      this.#drop = token => own.drop(token)
    }
  }

  /** Has a token before something is asked for. */
  async prepare(): Promise<void> {
    await this.#load()
  }

  /** Everything in force; the head stands in the first line. */
  async snapshot(signal: AbortSignal): Promise<Told> {
    const [{ body }, asked] = await this.#authorized(token => ask(this.fetch, {
      url: `${this.#url}/snapshot`, mediaType: LINES, packed: true, signal,
      headers: { authorization: `Bearer ${token}`, accept: LINES, "accept-encoding": "gzip" },
      timeoutS: SNAPSHOT_TIMEOUT_S, maxBytes: MAX_SNAPSHOT_BYTES,
    }))
    const end = body.indexOf(0x0a)
    return { head: headOf(body.subarray(0, Math.max(end, 0))), body: body.subarray(end + 1), asked }
  }

  /** What came after a number, within `waitS`; undefined where the log does not go on from there. */
  async delta(epoch: string, after: number, waitS: number, signal: AbortSignal): Promise<Told | undefined> {
    const wait: Record<string, string> = waitS > 0 ? { wait: String(waitS) } : {}
    const query = new URLSearchParams({ epoch, after: String(after), follower: this.follower, ...wait })
    const [answer, asked] = await this.#authorized<Answer>(token => ask(this.fetch, {
      url: `${this.#url}/delta?${query}`, mediaType: LINES, packed: true, allowed: [410], signal,
      headers: { authorization: `Bearer ${token}`, accept: LINES, "accept-encoding": "identity" },
      timeoutS: TIMEOUT_S + waitS, maxBytes: MAX_DELTA_BYTES,
    }))
    if (answer.status === 410) return undefined
    const last = answer.body.lastIndexOf(0x0a, -2) + 1
    return { head: headOf(answer.body.subarray(last, -1)), body: answer.body.subarray(0, last), asked }
  }

  /** The stream of events after a number, undefined where the log does not go on from there; it ends by `signal`. */
  async events(epoch: string, after: number, signal: AbortSignal): Promise<EventStream | undefined> {
    const url = `${this.#url}/events?${new URLSearchParams({ follower: this.follower })}`
    const headers = { accept: EVENTS, "last-event-id": `${epoch}:${after}` }
    const [response, asked] = await this.#authorized(token => open(this.fetch, {
      url, timeoutS: TIMEOUT_S, maxBytes: 0, mediaType: EVENTS, allowed: [410],
      headers: { authorization: `Bearer ${token}`, ...headers },
    }, signal))
    if (response.status === 410) {
      await response.body?.cancel()
      return undefined
    }
    if (response.body === null) throw new FetchError("the answer is no stream of events")
    return { body: response.body as unknown as AsyncIterable<Uint8Array>, asked }
  }

  /** Says that everything up to a number is in force here. */
  async acknowledge(epoch: string, seq: number, signal: AbortSignal): Promise<void> {
    await this.#tell({ epoch, seq }, TIMEOUT_S, signal)
  }

  /** Says that nothing is accepted here any more by what the feed said, so that nobody waits for us. */
  async sayGoodbye(epoch: string, seq: number): Promise<void> {
    await this.#tell({ epoch, seq, leaving: true }, GOODBYE_S, AbortSignal.timeout(GOODBYE_S * 1000))
  }

  async #tell(parts: Readonly<Record<string, unknown>>, timeoutS: number, signal: AbortSignal): Promise<void> {
    const body = JSON.stringify({ follower: this.follower, ...parts })
    await this.#authorized(token => ask(this.fetch, {
      url: `${this.#url}/ack`, method: "POST", body, timeoutS, maxBytes: 65_536, allowed: [204], signal,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    }))
  }

  /** The answer, and when it was asked for. A refused token is asked for once more. */
  async #authorized<Result>(request: (token: string) => Promise<Result>): Promise<[Result, number]> {
    const token = await this.#load()
    try {
      const asked = this.monotonic()
      return [await request(token), asked]
    } catch (error) {
      if (!(error instanceof FetchError) || error.status !== 401) throw error
      this.#drop(token)
    }
    const another = await this.#load(), asked = this.monotonic()
    return [await request(another), asked]
  }
}

/** The lines of a body, as `FeedLog` takes them. */
export function linesOf(told: Told): Buffer[] {
  return splitLines(told.body)
}

/** The words of what the program's own function throws may hold a secret. */
async function fromProgram(load: TokenSource): Promise<string> {
  let token: unknown
  try {
    token = await load()
  } catch (error) {
    throw new FetchError(`the token function threw ${error instanceof Error ? error.name : typeof error}`)
  }
  if (typeof token !== "string" || !BEARER.test(token)) {
    throw new FetchError("the token function must give the access token as text")
  }
  return token
}

function headOf(line: Buffer): string {
  const head = member(parseJsonObject(line) ?? {}, "head")
  if (typeof head !== "string") throw new FeedRefused("the answer holds no head where one must stand")
  return head
}
