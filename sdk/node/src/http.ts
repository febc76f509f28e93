/** Requests to the issuer: bounded in time and size, never redirected. */

import { FetchError } from "./errors.js"

/** `fetch`, or what stands in its place: one with a private CA or a proxy, or a test's own. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

export interface Request {
  readonly url: string
  readonly timeoutS: number
  readonly maxBytes: number
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Statuses other than 200 that are an answer, too. */
  readonly allowed?: readonly number[]
  /** Whether the answer may come as gzip; its size is counted unpacked. */
  readonly packed?: boolean
  /** The media type that an answer with 200 must have. */
  readonly mediaType?: string
  readonly signal?: AbortSignal
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Buffer
}

/** The whole answer; FetchError for anything that is none, or too much, or too late. */
export async function ask(fetch: Fetch, request: Request): Promise<Answer> {
  const limit = limited(request.signal, request.timeoutS, `no whole answer within ${request.timeoutS} s`)
  try {
    const response = await open(fetch, request, limit.signal)
    return { status: response.status, headers: response.headers, body: await read(response, request.maxBytes) }
  } catch (error) {
    throw asFetchError(error)
  } finally {
    limit.release()
  }
}

/** A signal that ends some work, and what to do once the work has ended by itself. */
export interface Limit {
  readonly signal: AbortSignal
  /** The time begins anew. */
  renew(): void
  release(): void
  /** Whether the time was over before the work was. */
  isOver(): boolean
}

/**
 * A signal that is aborted with `outer`, or after `timeoutS` with a FetchError that says `words`.
 * `AbortSignal.any` would leave a note of every request in a signal that lives as long as the program.
 */
export function limited(outer: AbortSignal | undefined, timeoutS: number, words: string): Limit {
  const own = new AbortController()
  const end = (): void => own.abort(outer?.reason)
  let isOver = false
  const timer = setTimeout(() => {
    isOver = true
    own.abort(new FetchError(words))
  }, timeoutS * 1000)
  outer?.addEventListener("abort", end)
  if (outer?.aborted) end()
  return {
    signal: own.signal,
    renew: () => timer.refresh(),
    isOver: () => isOver,
    release: () => {
      clearTimeout(timer)
      outer?.removeEventListener("abort", end)
      own.abort()
    },
  }
}

/** The answer's beginning; the caller reads its body, and aborts by `signal`. FetchError for a status not allowed. */
export async function open(fetch: Fetch, request: Request, signal: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = {
    accept: "application/json",
    // Asking for the plain form, and refusing any other before the body is read, keeps a bomb packed (S38).
    ...(request.packed ? {} : { "accept-encoding": "identity" }),
    "user-agent": "ostiary-sdk-node",
    ...request.headers,
  }
  const init: RequestInit = { method: request.method ?? "GET", headers, redirect: "manual", signal }
  const response = await fetch(request.url, request.body === undefined ? init : { ...init, body: request.body })
  if (response.status !== 200 && !request.allowed?.includes(response.status)) {
    const retryAfter = response.headers.get("retry-after") ?? ""
    await response.body?.cancel()
    const retryAfterS = /^[0-9]{1,6}$/.test(retryAfter) ? Number(retryAfter) : 0
    throw new FetchError(`the issuer answered ${response.status}`, response.status, { retryAfterS })
  }
  const problem = problemOf(response, request)
  if (problem === undefined) return response
  await response.body?.cancel()
  throw new FetchError(problem)
}

/** Why the body must not even be read; undefined where it may. */
function problemOf({ status, headers }: Response, { packed, mediaType }: Request): string | undefined {
  const encoding = headers.get("content-encoding") ?? "identity"
  if (encoding !== "identity" && !(packed && encoding === "gzip")) {
    return "the issuer's answer is compressed against our wish"
  }
  const found = (headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase()
  return mediaType === undefined || status !== 200 || found === mediaType ? undefined : `the answer must be ${mediaType}`
}

/** Any failure of a request as FetchError. */
export function asFetchError(error: unknown): FetchError {
  if (error instanceof FetchError) return error
  // The cause of a network error tells what happened; its own text is always "fetch failed".
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const words = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause)
  return new FetchError(words.slice(0, 200), undefined, { cause: error })
}

async function read(response: Response, maxBytes: number): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let size = 0
  if (response.body === null) return Buffer.alloc(0)
  // The chunks come unpacked and one by one, so that a bomb is left as soon as it is larger than allowed.
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength
    if (size > maxBytes) throw new FetchError(`the issuer's answer is larger than ${maxBytes} bytes`)
    parts.push(chunk)
  }
  return Buffer.concat(parts)
}
