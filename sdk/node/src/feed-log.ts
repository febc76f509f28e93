/** One follower's copy of the log: applies only the next number, and believes only what a head vouches for. No I/O. */

import { createHash } from "node:crypto"
import { FeedRefused } from "./errors.js"
import { isEpoch, nextChain, parseEntry, type FeedEntry, type FeedHead } from "./feed-lines.js"
import { Revocations } from "./revocations.js"
import { isCount, parseJsonObject } from "./strict.js"

/**
 * What to do next. `good`: go on; a head that is `good` vouches for all that is here. `gap`: ask the delta for what is
 * missing. `snapshot`: what is here is not the log; load it whole.
 */
export type Step = "good" | "gap" | "snapshot"

const FORGET_EVERY_S = 60

export class FeedLog {
  #epoch: string | undefined
  #seq = 0
  #chain: Buffer = Buffer.alloc(0)
  #revocations = new Revocations()
  /** The last head that agreed with all that is known; undefined while none does. */
  #vouchedBy: FeedHead | undefined
  /** What no head vouches for yet: facts, which may be a relief, and withdrawals of keys, which may be forged. */
  #unvouched: FeedEntry[] = []
  #version = 0
  #forgottenAt = -Infinity

  /** The epoch; undefined before the first snapshot. */
  get epoch(): string | undefined {
    return this.#epoch
  }

  /** The number of the last entry that is in force here. */
  get seq(): number {
    return this.#seq
  }

  get chain(): Buffer {
    return this.#chain
  }

  /** What is refused; another object after each snapshot. */
  get revocations(): Revocations {
    return this.#revocations
  }

  /** Grows with every change of what is refused. */
  get version(): number {
    return this.#version
  }

  /** Whether the feed has withdrawn the key, and no head has vouched for that yet. */
  isDoubted(kid: string): boolean {
    return this.#unvouched.some(({ kind, subject }) => kind === "key" && subject === kid)
  }

  /** Obeys the lines that come next, as far as they refuse something; those known already are passed over. */
  takeEntries(lines: readonly Buffer[], taken?: (entry: FeedEntry) => void): Step {
    if (this.#epoch === undefined) return "snapshot"
    for (const line of lines) {
      const entry = tryParse(line)
      if (entry === undefined) return this.#doubt()
      if (entry.seq <= this.#seq) continue
      if (entry.seq > this.#seq + 1) return "gap"
      this.#chain = nextChain(this.#chain, line)
      this.#seq = entry.seq
      // A key that was withdrawn before stays so: a second line that may be forged makes the first no weaker.
      const isNews = entry.kind === "key" && !this.#revocations.isKeyWithdrawn(entry.subject)
      if (entry.facts !== undefined || isNews) this.#unvouched.push(entry)
      this.#revocations.take(entry)
      this.#version += 1
      taken?.(entry)
    }
    return "good"
  }

  /** Compares what is here with what the server says of the log; the head's signature was checked before. */
  takeHead(head: FeedHead, nowS: number): Step {
    if (this.#isWithdrawn(head)) return this.#doubt()
    if (head.epoch !== this.#epoch) return this.#doubt()
    if (head.seq > this.#seq) return "gap"
    // A lower number: the log was set back.
    if (head.seq < this.#seq || !head.chain.equals(this.#chain)) return this.#doubt()
    this.#vouch(head, nowS)
    return "good"
  }

  /**
   * Swaps everything for the snapshot's lines; FeedRefused, and nothing has changed, where they are not its head's.
   * One that the same process made before a head that we agree with says nothing new and is passed over.
   */
  takeSnapshot(head: FeedHead, body: Buffer, nowS: number): void {
    // What nobody vouched for may be a forged line: it must not keep out the snapshot that takes it back.
    if (this.#isWithdrawn(head) && !this.isDoubted(head.kid ?? "")) {
      throw new FeedRefused("the snapshot is signed by a key that was withdrawn")
    }
    const known = this.#vouchedBy
    if (known?.epoch === head.epoch && known.boot === head.boot && head.upMs < known.upMs) return
    this.#swap(parseSnapshot(head, body))
    this.#epoch = head.epoch
    this.#seq = head.seq
    this.#chain = head.chain
    this.#vouch(head, nowS)
  }

  /**
   * What is known, for the disk; undefined while no head vouches for it. `restore` reads it, and so does the Python SDK.
   * Its digest finds what was torn or changed by accident. It is no proof against who may write the folder.
   */
  asDocument(issuer: string): Buffer | undefined {
    if (this.#epoch === undefined || this.#vouchedBy?.seq !== this.#seq) return undefined
    const body = this.#revocations.lines().map(line => `${line}\n`).join("")
    const digest = createHash("sha256").update(body).digest("hex")
    const said = { version: 1, issuer, epoch: this.#epoch, seq: this.#seq, chain: this.#chain.toString("hex"), digest }
    return Buffer.from(`${JSON.stringify(said)}\n${body}`)
  }

  /** Knows again what `asDocument` gave; FeedRefused. The next head shows what has happened since. */
  restore(document: Buffer, issuer: string): void {
    const end = document.indexOf(0x0a) + 1, body = document.subarray(end)
    const saved = parseJsonObject(document.subarray(0, Math.max(end - 1, 0))) ?? {}
    const digest = createHash("sha256").update(body).digest("hex")
    if (saved["version"] !== 1 || saved["issuer"] !== issuer || saved["digest"] !== digest) {
      throw new FeedRefused("the saved feed is not whole, or of another issuer or version")
    }
    const { epoch, seq, chain } = saved
    if (!isEpoch(epoch) || !isCount(seq) || typeof chain !== "string" || !/^[0-9a-f]{64}$/.test(chain)) {
      throw new FeedRefused("the saved feed does not begin as it should")
    }
    this.#swap(splitLines(body).map(parseEntry))
    this.#epoch = epoch
    this.#seq = seq
    this.#chain = Buffer.from(chain, "hex")
    this.#vouchedBy = undefined
  }

  #swap(entries: readonly FeedEntry[]): void {
    const revocations = new Revocations()
    for (const entry of entries) {
      revocations.take(entry)
      revocations.believe(entry)
    }
    this.#revocations = revocations
    this.#unvouched = []
    this.#version += 1
  }

  #isWithdrawn({ kid }: FeedHead): boolean {
    return kid !== undefined && this.#revocations.isKeyWithdrawn(kid)
  }

  #vouch(head: FeedHead, nowS: number): void {
    this.#vouchedBy = head
    for (const entry of this.#unvouched) this.#revocations.believe(entry)
    if (this.#unvouched.length > 0) this.#version += 1
    this.#unvouched = []
    // Forgetting needs both clocks to agree, so that neither, set forward by mistake, undoes a revocation.
    const agreedS = Math.min(nowS, head.atMs / 1000)
    if (agreedS < this.#forgottenAt || agreedS >= this.#forgottenAt + FORGET_EVERY_S) {
      this.#revocations.forgetExpired(agreedS)
      this.#forgottenAt = agreedS
    }
  }

  #doubt(): Step {
    this.#vouchedBy = undefined
    return "snapshot"
  }
}

function parseSnapshot(head: FeedHead, body: Buffer): FeedEntry[] {
  if (head.digest === undefined || sha256(body) !== head.digest) {
    throw new FeedRefused("the snapshot is not the one that its head is about")
  }
  const entries = splitLines(body).map(parseEntry)
  if (entries.length !== head.count) throw new FeedRefused("the snapshot has lost lines")
  let last = 0
  for (const { seq, kind, subject } of entries) {
    if (kind === "key" && subject === head.kid) {
      throw new FeedRefused("the snapshot is signed by a key that was withdrawn, by its own words")
    }
    if (seq <= last || seq > head.seq) throw new FeedRefused("a snapshot's numbers must ascend and end with its head's")
    last = seq
  }
  return entries
}

/** The lines of a document in which each is ended by "\n"; FeedRefused where the last one is cut off. */
export function splitLines(body: Buffer): Buffer[] {
  const lines: Buffer[] = []
  for (let from = 0; from < body.length; ) {
    const end = body.indexOf(0x0a, from)
    if (end < 0) throw new FeedRefused("the document ends inside a line")
    lines.push(body.subarray(from, end))
    from = end + 1
  }
  return lines
}

function tryParse(line: Buffer): FeedEntry | undefined {
  try {
    return parseEntry(line)
  } catch (error) {
    if (error instanceof FeedRefused) return undefined
    throw error
  }
}

function sha256(body: Buffer): string {
  return createHash("sha256").update(body).digest("base64url")
}
