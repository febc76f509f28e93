/** Reading the feed's lines and heads, and the chain over the lines' bytes (docs/feed.md). No I/O. */

import { createHash } from "node:crypto"
import { FeedRefused } from "./errors.js"
import { isCount, isObject, member, parseBase64url, parseJsonObject, type JsonObject } from "./strict.js"

export const MAX_LINE_BYTES = 16_384
const MAX_TEXT_CHARS = 16_384
const MAX_BOOT_CHARS = 128
const MAX_RISK = 100
const DATED = ["person", "client", "everyone"]
const EPOCH = /^[0-9a-f]{32}$/
const SHA256_BYTES = 32

/** One entry. `atMs` is milliseconds since 1970, `expiresS` and `notBeforeS` whole seconds; `line` its exact bytes. */
export interface FeedEntry {
  readonly seq: number
  readonly kind: string
  readonly subject: string
  readonly atMs: number
  readonly expiresS: number
  readonly notBeforeS: number | undefined
  readonly facts: JsonObject | undefined
  readonly line: Buffer
}

/** What the server says of the log: `count` and `digest` are a snapshot's. `upMs` is its own monotonic clock. */
export interface FeedHead {
  readonly epoch: string
  readonly seq: number
  readonly chain: Buffer
  readonly atMs: number
  readonly upMs: number
  readonly boot: string
  readonly count: number | undefined
  readonly digest: string | undefined
  /** The key that proved it. */
  readonly kid?: string
}

/** The entry that a line says; FeedRefused. Unknown kinds and members are no fault: they are passed over later. */
export function parseEntry(line: Buffer): FeedEntry {
  if (line.length > MAX_LINE_BYTES) throw new FeedRefused(`a line is longer than ${MAX_LINE_BYTES} bytes`)
  const entry = parseJsonObject(line)
  if (entry === undefined) throw new FeedRefused("a line is no plain JSON object")
  const kind = words(entry, "kind", MAX_TEXT_CHARS)
  const notBefore = member(entry, "not_before"), facts = member(entry, "facts")
  if (DATED.includes(kind) && notBefore === undefined) throw new FeedRefused(`${kind} must come with not_before`)
  if (facts !== undefined && !isObject(facts)) throw new FeedRefused("facts must be an object")
  if (kind === "facts") checkFacts(facts)
  return {
    seq: count(entry, "seq", 1),
    kind,
    subject: words(entry, "subject", MAX_TEXT_CHARS),
    atMs: count(entry, "at"),
    expiresS: count(entry, "expires"),
    notBeforeS: notBefore === undefined ? undefined : count(entry, "not_before"),
    facts,
    line,
  }
}

function checkFacts(facts: JsonObject | undefined): void {
  if (facts === undefined) throw new FeedRefused("an entry of the kind facts must have facts")
  const { suspended = false, risk = 0, acr = "" } = facts
  if (typeof suspended !== "boolean") throw new FeedRefused("facts.suspended must be true or false")
  if (!isCount(risk, MAX_RISK)) throw new FeedRefused(`facts.risk must be a whole number from 0 to ${MAX_RISK}`)
  if (typeof acr !== "string") throw new FeedRefused("facts.acr must be a string")
}

/** What a head says that the key `kid` has proven; FeedRefused, also for a head of another issuer. */
export function parseHead(payload: JsonObject, issuer: string, kid = ""): FeedHead {
  if (member(payload, "iss") !== issuer) throw new FeedRefused("iss must be the issuer that is followed")
  const epoch = member(payload, "epoch"), chain = bytes(payload, "chain")
  if (!isEpoch(epoch)) throw new FeedRefused("epoch must be 32 hexadecimal digits")
  const digest = member(payload, "digest")
  if ((digest === undefined) !== (member(payload, "count") === undefined)) {
    throw new FeedRefused("count and digest must stand together")
  }
  return {
    epoch,
    seq: count(payload, "seq"),
    chain,
    atMs: count(payload, "at"),
    upMs: count(payload, "up"),
    boot: words(payload, "boot", MAX_BOOT_CHARS),
    count: digest === undefined ? undefined : count(payload, "count"),
    digest: digest === undefined ? undefined : bytes(payload, "digest").toString("base64url"),
    kid,
  }
}

/** The chain before the first entry of an epoch. */
export function firstChain(issuer: string, epoch: string): Buffer {
  return createHash("sha256").update(`ostiary-feed-v1\n${issuer}\n${epoch}`).digest()
}

/** The chain after one more line. */
export function nextChain(chain: Uint8Array, line: Uint8Array): Buffer {
  return createHash("sha256").update(chain).update(line).digest()
}

/** Whether the text is an epoch's name. */
export function isEpoch(text: unknown): text is string {
  return typeof text === "string" && EPOCH.test(text)
}

function count(object: JsonObject, name: string, least = 0): number {
  const value = member(object, name)
  if (!isCount(value) || value < least) throw new FeedRefused(`${name} must be a whole number, ${least} or more`)
  return value
}

function words(object: JsonObject, name: string, most: number): string {
  const value = member(object, name)
  if (typeof value !== "string" || value === "" || value.length > most) {
    throw new FeedRefused(`${name} must be a text of 1 to ${most} characters`)
  }
  return value
}

function bytes(object: JsonObject, name: string): Buffer {
  const value = member(object, name)
  const raw = typeof value === "string" ? parseBase64url(value) : undefined
  if (raw?.length !== SHA256_BYTES) throw new FeedRefused(`${name} must be the base64url of 32 bytes`)
  return raw
}
