/** Everything the SDK throws. Texts are public: they name the field and what was expected, never a token's value. */

/** Base of every error of the SDK. */
export class OstiaryError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
  }
}

/** The program set the SDK up wrongly; thrown at construction. */
export class ConfigurationError extends OstiaryError {}

/** Why a token was refused. The values are stable, and those of the Python SDK: logs and metrics may count them. */
export type TokenErrorCode =
  | "malformed"
  | "too_large"
  | "wrong_type"
  | "wrong_algorithm"
  | "critical_header"
  | "key_in_header"
  | "unknown_key"
  | "bad_signature"
  | "missing_claim"
  | "invalid_claim"
  | "wrong_issuer"
  | "wrong_audience"
  | "expired"
  | "not_yet_valid"
  | "proof_required"
  | "revoked"

/** The caller's token is refused: answer 401 `invalid_token` (RFC 6750 §3.1). */
export class TokenError extends OstiaryError {
  constructor(readonly code: TokenErrorCode, readonly description: string) {
    super(description)
  }
}

/**
 * We cannot know whether the token is good: our own trouble, so answer 503 and never 401.
 * `retryAfterS` is when to come again; `reason` is for the log, not for the caller.
 */
export class Unavailable extends OstiaryError {
  constructor(message: string, readonly retryAfterS: number, readonly reason: string) {
    super(message)
  }
}

/** The issuer's keys cannot be had. */
export class KeysUnavailable extends Unavailable {
  constructor(retryAfterS: number, reason: string) {
    super("the keys that prove tokens are unavailable; try again later", retryAfterS, reason)
  }
}

/** What is revoked cannot be known well enough for this request. */
export class FeedUnavailable extends Unavailable {
  constructor(retryAfterS: number, reason: string) {
    super("whether the token still holds cannot be known now; try again later", retryAfterS, reason)
  }
}

/** The issuer cannot be asked whether a token is active; that is never a yes. */
export class IntrospectionUnavailable extends Unavailable {
  constructor(retryAfterS: number, reason: string) {
    super("the issuer cannot be asked about the token now; try again later", retryAfterS, reason)
  }
}

/** The token is good but lacks one of the scopes in `required`: answer 403 (RFC 6750 §3.1). */
export class InsufficientScope extends OstiaryError {
  constructor(readonly required: readonly string[]) {
    super("the access token lacks a scope that this request needs")
  }
}

/** The token is good, but the person must prove themselves better or again: answer 401 (RFC 9470 §3). */
export class InsufficientAuthentication extends OstiaryError {
  constructor(message: string, readonly acr: readonly string[], readonly maxAgeS: number | undefined) {
    super(message)
  }
}

/** A route asked for the token, but no guard stands before it: a mistake of the program, so a 500. */
export class NotGuarded extends OstiaryError {}

/** One attempt to read a document of the issuer failed; the text is for the log. */
export class FetchError extends OstiaryError {
  /** What the issuer asked for by `Retry-After`; 0 where it asked for nothing. */
  readonly retryAfterS: number

  constructor(message: string, readonly status?: number, options?: ErrorOptions & { retryAfterS?: number }) {
    super(message, options)
    this.retryAfterS = options?.retryAfterS ?? 0
  }
}

/** A line or a head of the feed that cannot be believed; the text is for the log. */
export class FeedRefused extends OstiaryError {}
