/** Bearer tokens in HTTP requests and the answers that refuse them (RFC 6750, RFC 9470). No I/O, no framework. */

import { spreadS } from "./backoff.js"
import { InsufficientAuthentication, InsufficientScope, TokenError, Unavailable } from "./errors.js"

/** RFC 6750 §2.1, b64token. */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/

/** RFC 6750 §3 allows these letters in error_description and scope; any other could break out of the quotes. */
const NOT_QUOTABLE = /[^ !#-[\]-~]/gu

/** Why a request is not let through, in public words. `error` is RFC 6750's code, undefined where it wants none. */
export interface Refusal {
  readonly status: 400 | 401 | 403 | 503
  readonly error: string | undefined
  readonly description: string
  readonly scopes?: readonly string[]
  readonly retryAfterS?: number
  readonly acr?: readonly string[]
  readonly maxAgeS?: number | undefined
}

/** The request brings no usable bearer token; `refusal` is the answer. */
export class BearerMissing extends Error {
  constructor(readonly refusal: Refusal) {
    super(refusal.description)
  }
}

const NO_TOKEN: Refusal = {
  status: 401, error: undefined, description: "this request needs a bearer token in the Authorization header",
}
const TWO_HEADERS: Refusal = {
  status: 400, error: "invalid_request", description: "there must be exactly one Authorization header",
}
const NOT_ONE_TOKEN: Refusal = {
  status: 400, error: "invalid_request", description: "the Authorization header must be the word Bearer and one token",
}

/**
 * The token from the only place where one is accepted, the values of the Authorization header; BearerMissing otherwise.
 * A query string or form body is never looked at: addresses end up in logs (RFC 6750 §5.3, S12).
 */
export function parseBearer(values: readonly string[]): string {
  const [value] = values
  if (value === undefined) throw new BearerMissing(NO_TOKEN)
  if (values.length > 1) throw new BearerMissing(TWO_HEADERS)
  const space = value.indexOf(" ")
  const scheme = space < 0 ? value : value.slice(0, space), token = space < 0 ? "" : value.slice(space + 1)
  if (scheme.toLowerCase() !== "bearer") throw new BearerMissing(NO_TOKEN)
  if (!TOKEN.test(token)) throw new BearerMissing(NOT_ONE_TOKEN)
  return token
}

/** The answer to an error of the SDK: 401, 503, 403, or 401 with what sign-in would do; undefined for any other. */
export function refusalFor(error: unknown): Refusal | undefined {
  if (error instanceof BearerMissing) return error.refusal
  if (error instanceof TokenError) return { status: 401, error: "invalid_token", description: error.description }
  if (error instanceof Unavailable) {
    const { message: description, retryAfterS } = error
    return { status: 503, error: "temporarily_unavailable", description, retryAfterS }
  }
  if (error instanceof InsufficientScope) {
    return { status: 403, error: "insufficient_scope", description: error.message, scopes: error.required }
  }
  if (error instanceof InsufficientAuthentication) {
    const { message: description, acr, maxAgeS } = error
    return { status: 401, error: "insufficient_user_authentication", description, acr, maxAgeS }
  }
  return undefined
}

/**
 * The value of `WWW-Authenticate`. Without a token it carries no error code (RFC 6750 §3.1).
 * `metadataUrl` is where the API says which issuer it trusts (RFC 9728 §5.1).
 */
export function challenge(refusal: Refusal, realm: string, metadataUrl?: string): string {
  const parts: [string, string][] = [["realm", realm]]
  if (refusal.error !== undefined) {
    parts.push(["error", refusal.error], ["error_description", refusal.description])
  }
  if (refusal.scopes?.length) parts.push(["scope", refusal.scopes.join(" ")])
  if (refusal.acr?.length) parts.push(["acr_values", refusal.acr.join(" ")])
  if (refusal.maxAgeS !== undefined) parts.push(["max_age", String(refusal.maxAgeS)])
  if (metadataUrl !== undefined) parts.push(["resource_metadata", metadataUrl])
  return `Bearer ${parts.map(([name, value]) => `${name}="${value.replace(NOT_QUOTABLE, "?")}"`).join(", ")}`
}

/** Headers and JSON body of the refusal; `Retry-After` varies by chance, so that not all come back at once. */
export function responseParts(
  refusal: Refusal, realm: string, metadataUrl?: string,
): { headers: Record<string, string>; body: string } {
  const error = refusal.error === undefined ? {} : { error: refusal.error }
  const body = JSON.stringify({ ...error, error_description: refusal.description })
  const headers: Record<string, string> = {
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(body)),
    "cache-control": "no-store",
  }
  if (refusal.retryAfterS === undefined) headers["www-authenticate"] = challenge(refusal, realm, metadataUrl)
  else headers["retry-after"] = String(spreadS(refusal.retryAfterS))
  return { headers, body }
}
