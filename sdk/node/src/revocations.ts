/** What the feed says is refused now, asked for every token and every hit of the cache. No I/O. */

import type { FeedEntry } from "./feed-lines.js"
import { member } from "./strict.js"
import type { AccessToken } from "./values.js"

const EVERYONE = "*"

interface NotBefore {
  readonly notBeforeS: number
  readonly expiresS: number
}

/** What was said last of one fact; `atS` is when, in whole seconds. */
interface Fact<Value> {
  readonly value: Value
  readonly seq: number
  readonly atS: number
  readonly expiresS: number
}

interface Facts {
  suspended?: Fact<boolean>
  risk?: Fact<number>
  acr?: Fact<string>
}

/** By which kind of entry a token is refused, and why in public words. */
export interface Refused {
  readonly kind: keyof typeof WORDS
  readonly words: string
}

const WORDS = {
  token: "the token was revoked",
  grant: "the grant behind this token has ended",
  session: "the session behind this token has ended",
  key: "the key that signed this token was withdrawn",
  facts: "the account behind this token is suspended",
  person: "the person's earlier tokens were revoked",
  client: "the client's earlier tokens were revoked",
  everyone: "all earlier tokens were revoked",
}
const REFUSED = Object.fromEntries(
  Object.entries(WORDS).map(([kind, words]) => [kind, Object.freeze({ kind, words })]),
) as Readonly<Record<keyof typeof WORDS, Refused>>

/** Everything in force. One log writes it; whoever verifies only reads. */
export class Revocations {
  readonly #gone = {
    token: new Map<string, number>(),
    grant: new Map<string, number>(),
    session: new Map<string, number>(),
    key: new Map<string, number>(),
  }
  readonly #since = {
    person: new Map<string, NotBefore>(),
    client: new Map<string, NotBefore>(),
    everyone: new Map<string, NotBefore>(),
  }
  readonly #facts = new Map<string, Facts>()
  /** The lines themselves by their number, for the disk. */
  readonly #lines = new Map<number, { readonly text: string; readonly expiresS: number }>()

  /** How many entries are in force. */
  get size(): number {
    return this.#lines.size
  }

  /** All lines in force by ascending number. */
  lines(): string[] {
    return [...this.#lines.values()].map(({ text }) => text)
  }

  /** Obeys an entry that nobody has vouched for yet: it refuses at once, and relieves of nothing. */
  take(entry: FeedEntry): void {
    this.#lines.set(entry.seq, { text: entry.line.toString(), expiresS: entry.expiresS })
    switch (entry.kind) {
      case "token": case "grant": case "session": case "key": {
        const gone = this.#gone[entry.kind]
        gone.set(entry.subject, Math.max(entry.expiresS, gone.get(entry.subject) ?? 0))
        break
      }
      case "person": case "client":
        raise(this.#since[entry.kind], entry.subject, entry)
        break
      case "everyone":
        raise(this.#since.everyone, EVERYONE, entry)
        break
      case "facts":
        if (entry.facts && member(entry.facts, "suspended") === true) this.#learn(entry, ["suspended"])
        break
    }
  }

  /** Obeys in full what was taken before, now that a head vouches for it. */
  believe(entry: FeedEntry): void {
    if (entry.kind === "facts") this.#learn(entry, ["suspended", "risk", "acr"])
  }

  /** Why the token is refused; undefined where nothing speaks against it. */
  refusal(token: AccessToken, kid: string): Refused | undefined {
    const { token: tokens, grant, session, key } = this.#gone
    if (tokens.has(token.jti)) return REFUSED.token
    if (token.grant !== undefined && grant.has(token.grant)) return REFUSED.grant
    if (token.sid !== undefined && session.has(token.sid)) return REFUSED.session
    if (key.has(kid)) return REFUSED.key
    if (this.#facts.get(token.sub)?.suspended?.value === true) return REFUSED.facts
    const { person, client, everyone } = this.#since
    if (isBefore(token, person.get(token.sub))) return REFUSED.person
    // Whom it was issued to, and through whom it came there (RFC 8693).
    if (isBefore(token, client.get(token.clientId))) return REFUSED.client
    if (token.azp !== undefined && isBefore(token, client.get(token.azp))) return REFUSED.client
    if (token.actors.some(actor => isBefore(token, client.get(actor)))) return REFUSED.client
    if (isBefore(token, everyone.get(EVERYONE))) return REFUSED.everyone
    return undefined
  }

  /** The token with risk and acr as they are known since it was issued; the token itself where nothing is newer. */
  overlay(token: AccessToken): AccessToken {
    const bySub = this.#facts.get(token.sub)
    const bySid = token.sid === undefined ? undefined : this.#facts.get(token.sid)
    if (bySub === undefined && bySid === undefined) return token
    const risk = newest(token, bySub?.risk, bySid?.risk)
    const acr = newest(token, bySub?.acr, bySid?.acr)
    if (risk === undefined && acr === undefined) return token
    return Object.freeze({ ...token, risk: risk?.value ?? token.risk, acr: acr?.value ?? token.acr })
  }

  /** Whether the issuer has withdrawn this key. */
  isKeyWithdrawn(kid: string): boolean {
    return this.#gone.key.has(kid)
  }

  /** Drops what the longest token has outlived. `nowS` is seconds since 1970. */
  forgetExpired(nowS: number): void {
    for (const [seq, { expiresS }] of this.#lines) if (nowS >= expiresS) this.#lines.delete(seq)
    for (const map of Object.values(this.#gone)) {
      for (const [subject, expiresS] of map) if (nowS >= expiresS) map.delete(subject)
    }
    for (const map of Object.values(this.#since)) {
      for (const [subject, { expiresS }] of map) if (nowS >= expiresS) map.delete(subject)
    }
    for (const [subject, facts] of this.#facts) {
      for (const name of ["suspended", "risk", "acr"] as const) {
        if (nowS >= (facts[name]?.expiresS ?? Infinity)) delete facts[name]
      }
      if (Object.keys(facts).length === 0) this.#facts.delete(subject)
    }
  }

  #learn({ subject, facts, seq, atMs, expiresS }: FeedEntry, names: readonly (keyof Facts)[]): void {
    const said = { seq, atS: Math.floor(atMs / 1000), expiresS }
    const known = this.#facts.get(subject) ?? {}
    for (const name of names) {
      const value = facts && member(facts, name)
      // What is not suspended need not be remembered.
      if (name === "suspended" && value === false) delete known.suspended
      // The type was checked when the line was read.
      else if (value !== undefined) Object.assign(known, { [name]: { ...said, value } })
    }
    if (Object.keys(known).length > 0) this.#facts.set(subject, known)
    else this.#facts.delete(subject)
  }
}

function raise(map: Map<string, NotBefore>, subject: string, { notBeforeS = 0, expiresS }: FeedEntry): void {
  const known = map.get(subject)
  map.set(subject, {
    notBeforeS: Math.max(notBeforeS, known?.notBeforeS ?? 0),
    expiresS: Math.max(expiresS, known?.expiresS ?? 0),
  })
}

function isBefore(token: AccessToken, bound: NotBefore | undefined): boolean {
  return bound !== undefined && token.iat <= bound.notBeforeS
}

/** Of what was said of the person and of the session since the token was issued, what was said last. */
function newest<Value>(
  token: AccessToken, one: Fact<Value> | undefined, other: Fact<Value> | undefined,
): Fact<Value> | undefined {
  const [first, second] = [one, other].filter(fact => fact !== undefined && fact.atS > token.iat)
  return first !== undefined && second !== undefined && second.seq > first.seq ? second : first
}
