/** Following the feed: the stream while it works, long polls where it does not, and what is missing in between. */

import { setTimeout as pause } from "node:timers/promises"
import { Acknowledger } from "./acknowledger.js"
import { Backoff } from "./backoff.js"
import { FeedRefused, FetchError, OstiaryError, Unavailable } from "./errors.js"
import { linesOf, type FeedCalls } from "./feed-calls.js"
import type { FeedEntry, FeedHead } from "./feed-lines.js"
import type { FeedLog, Step } from "./feed-log.js"
import { HeadKeys } from "./heads.js"
import { asFetchError, limited } from "./http.js"
import type { KeyRing } from "./keyring.js"
import type { Connection, Lease } from "./lease.js"
import type { Surroundings } from "./options.js"
import { EventParser, type ServerEvent } from "./sse.js"

const FIRST_PAUSE_S = 0.1
const LONGEST_PAUSE_S = 5
/** A head comes every second; a stream that brings neither one nor new entries for so long is given up. */
const SILENT_S = 3
/** How long to poll where a stream brought nothing, before a stream is tried again. */
const POLL_FOR_S = 60
/** Short, since an answer vouches only for the moment that it was asked at. */
const POLL_WAIT_S = 1
const LEAST_POLL_S = 0.1
/** A connection that lived so long was a good one: what follows it is a first attempt again. */
const GOOD_CONNECTION_S = 5
const PAGE = 1000

/** What a follower works with, and whom it tells. */
export interface FollowerParts {
  readonly issuer: string
  readonly log: FeedLog
  readonly lease: Lease
  readonly calls: FeedCalls
  readonly keys: KeyRing
  readonly around: Required<Surroundings>
  readonly signal: AbortSignal
  /** What is refused has changed. */
  readonly changed: () => void
  /** A head agrees with all that is known. */
  readonly vouched: () => void
}

/** Keeps a log and its lease up to date; `follow` ends by the signal alone. */
export class Follower {
  readonly #parts: FollowerParts
  readonly #keys: HeadKeys
  readonly #acks: Acknowledger
  readonly #backoff = new Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
  #pollsUntil = -Infinity
  #toldVersion: number
  #lastError = ""

  constructor(parts: FollowerParts) {
    const { calls, around, signal, keys, log } = (this.#parts = parts)
    this.#keys = new HeadKeys(keys)
    this.#acks = new Acknowledger((epoch, seq) => calls.acknowledge(epoch, seq, signal), around.log, signal)
    this.#toldVersion = log.version
  }

  /** Connects again and again; whatever a server answers, it costs a pause and nothing else. */
  async follow(): Promise<void> {
    const { signal } = this.#parts
    while (!signal.aborted) {
      const began = realTimeS()
      let waitS = 0
      try {
        await this.#followOnce()
      } catch (error) {
        if (!signal.aborted) waitS = this.#note(error)
      }
      if (realTimeS() - began >= GOOD_CONNECTION_S && waitS === 0) this.#backoff.reset()
      await this.#pause(this.#backoff.nextPauseS(waitS))
    }
  }

  async #followOnce(): Promise<void> {
    const { log, calls } = this.#parts
    await this.#keys.prepare()
    await calls.prepare()
    if (log.epoch === undefined) await this.#loadSnapshot()
    if (this.#isPolling()) await this.#poll()
    else await this.#stream()
  }

  /** Real time, whatever a test's clock says: this is about connections. */
  #isPolling(): boolean {
    return realTimeS() < this.#pollsUntil
  }

  /** Follows one stream until it ends, says that something is missing, or falls silent. */
  async #stream(): Promise<void> {
    const { log, lease, calls, signal, around } = this.#parts
    const silence = limited(signal, SILENT_S, `no head for ${SILENT_S} s`)
    let heads = 0, step: Step = "good"
    try {
      const stream = await calls.events(log.epoch ?? "", log.seq, silence.signal)
      if (stream === undefined) step = "snapshot"
      const connection = lease.connection(stream?.asked ?? -Infinity), parser = new EventParser()
      reading: for await (const chunk of stream?.body ?? []) {
        const receivedAt = around.monotonic()
        for (const event of parser.take(chunk)) {
          const before = log.seq
          step = await this.#takeEvent(event, connection, receivedAt, heads === 0)
          if (step !== "good") break reading
          if (event.event === "head") heads += 1
          if (event.event === "head" || log.seq > before) silence.renew()
        }
      }
    } catch (error) {
      // Perhaps a proxy on the way gathers what should flow.
      if (silence.isOver() && heads === 0) this.#pollsUntil = realTimeS() + POLL_FOR_S
      throw error
    } finally {
      silence.release()
    }
    await this.#catchUp(step)
  }

  /** Instead of a stream: the delta, again and again. */
  async #poll(): Promise<void> {
    const { log, signal } = this.#parts
    let isFirst = true
    try {
      while (this.#isPolling() && !signal.aborted) {
        const began = realTimeS(), before = log.seq
        const step = await this.#loadDelta(POLL_WAIT_S, isFirst)
        // And then a pause, longer each time: a server that refuses every delta is not to be stormed.
        if (step !== "good") return await this.#catchUp(step)
        isFirst = false
        this.#lastError = ""
        if (log.seq === before && realTimeS() - began < LEAST_POLL_S) await this.#pause(LEAST_POLL_S)
      }
    } catch (error) {
      // It was not the stream alone.
      this.#pollsUntil = -Infinity
      throw error
    }
  }

  async #takeEvent(event: ServerEvent, on: Connection, receivedAt: number, isFirst: boolean): Promise<Step> {
    if (event.event === "reset") return "snapshot"
    if (event.event === "entries") return this.#takeLines(event.data)
    if (event.event === "head") return this.#takeHead(event.data[0]?.toString("latin1") ?? "", on, receivedAt, isFirst)
    return "good"
  }

  #takeLines(lines: readonly Buffer[]): Step {
    const step = this.#parts.log.takeEntries(lines, entry => this.#notice(entry))
    this.#tell()
    return step
  }

  async #takeHead(jws: string, on: Connection, receivedAt: number, isFirst: boolean, isLast = true): Promise<Step> {
    const { log, issuer, around } = this.#parts
    const head = await this.#keys.verify(jws, issuer)
    const step = log.takeHead(head, around.clock())
    // A full page ends where there is more to come: its head is true, and says nothing about now.
    if (!log.revocations.isKeyWithdrawn(head.kid ?? "")) on.heard(head, receivedAt, step === "good" && isLast)
    if (step === "good" && isLast) this.#agreed(isFirst)
    return step
  }

  /** Loads what the step asks for, until nothing is missing; FeedRefused where that does not help. */
  async #catchUp(step: Step): Promise<void> {
    const found = step === "gap" ? await this.#loadDelta(0, false) : step
    if (found === "snapshot") await this.#loadSnapshot()
    else if (found === "gap") throw new FeedRefused("the delta did not close the gap")
  }

  /** Takes pages until one is not full; FeedRefused for a full one that brings nothing new. */
  async #loadDelta(waitS: number, isFirst: boolean): Promise<Step> {
    const { log, lease, calls, signal, around } = this.#parts
    for (;;) {
      const before = log.seq
      const page = await calls.delta(log.epoch ?? "", log.seq, waitS, signal)
      if (page === undefined) return "snapshot"
      const receivedAt = around.monotonic(), lines = linesOf(page), isLast = lines.length < PAGE
      let step = this.#takeLines(lines)
      if (step === "good") {
        step = await this.#takeHead(page.head, lease.connection(page.asked), receivedAt, isFirst, isLast)
      }
      if (step !== "good" || isLast) return step
      if (log.seq === before) throw new FeedRefused("a full page of the delta brought nothing new")
    }
  }

  async #loadSnapshot(): Promise<void> {
    const { log, lease, calls, issuer, keys, signal, around } = this.#parts
    const told = await calls.snapshot(signal)
    const receivedAt = around.monotonic(), connection = lease.connection(told.asked)
    const head: FeedHead = await this.#keys.verify(told.head, issuer, kid => log.isDoubted(kid))
    if (log.epoch !== undefined && head.epoch !== log.epoch) keys.expire()
    log.takeSnapshot(head, told.body, around.clock())
    connection.heard(head, receivedAt, true)
    this.#agreed(false)
  }

  /** A head agrees with what is known. */
  #agreed(isFirst: boolean): void {
    const { log, around, vouched } = this.#parts
    if (this.#lastError !== "") around.log("the feed is followed again")
    this.#lastError = ""
    this.#tell()
    vouched()
    if (log.epoch !== undefined) this.#acks.note(log.epoch, log.seq, isFirst)
  }

  #notice({ kind }: FeedEntry): void {
    if (kind === "key") this.#parts.keys.expire()
  }

  #tell(): void {
    const { version } = this.#parts.log
    if (version === this.#toldVersion) return
    this.#toldVersion = version
    this.#parts.changed()
  }

  /** Logs a trouble once, not at each attempt; how long the server wants to be left alone. */
  #note(error: unknown): number {
    const known = error instanceof OstiaryError ? error : asFetchError(error)
    const words = (known instanceof Unavailable ? known.reason : known.message).slice(0, 200)
    if (words !== this.#lastError) this.#parts.around.log(`the feed is interrupted: ${words}`)
    this.#lastError = words
    return known instanceof FetchError || known instanceof Unavailable ? known.retryAfterS : 0
  }

  async #pause(seconds: number): Promise<void> {
    await pause(seconds * 1000, undefined, { signal: this.#parts.signal, ref: false }).catch(() => undefined)
  }
}

function realTimeS(): number {
  return performance.now() / 1000
}
