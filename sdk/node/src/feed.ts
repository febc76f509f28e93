/** The follower of the issuer's feed: what is revoked, known in this process within a second, and how surely. */

import { hostname } from "node:os"
import { setTimeout as pause } from "node:timers/promises"
import { parseIssuer } from "./discovery.js"
import { ConfigurationError, FeedRefused, OstiaryError, UnknownHeadKey } from "./errors.js"
import { FeedCalls, linesOf, type FollowerIdentity } from "./feed-calls.js"
import type { FeedEntry } from "./feed-lines.js"
import { FeedLog, type Step } from "./feed-log.js"
import { verifyHead } from "./heads.js"
import { FeedDisk } from "./feed-disk.js"
import { asFetchError, limited } from "./http.js"
import { fetchKeys, KeyRing } from "./keyring.js"
import { Lease, stateOf, type Connection, type LeaseState } from "./lease.js"
import { parseSurroundings, type Surroundings } from "./options.js"
import type { Revocations } from "./revocations.js"
import { EventParser, type ServerEvent } from "./sse.js"
import { parseKeyPolicy, type KeyPolicy } from "./values.js"

/** A heartbeat comes every second; a stream that is silent for longer is given up. */
const SILENCE_S = 5
const FIRST_PAUSE_S = 0.1
const LONGEST_PAUSE_S = 5
const STORE_EVERY_S = 10
const DOUBT_EVERY_S = 5
const PAGE = 1000
/** Where streams open but bring nothing (a proxy collects them), the delta is asked again and again for a while. */
const SILENT_STREAMS = 2
const POLL_S = 60
const POLL_WAIT_S = 1
const DEFAULT_BOUNDS = { freshForS: 5, lostAfterS: 60 }
const NAME = /^[A-Za-z0-9._-]{1,64}$/

export interface FeedSettings extends Surroundings {
  /** The name of this process among the followers; host and process id by default. */
  readonly follower?: string
  /** Where the last state is kept for a cold start; by default nowhere. */
  readonly folder?: string
  readonly keyPolicy?: Partial<KeyPolicy>
}

/**
 * Follows one issuer's feed, from its first use on. One for a process, shared by its verifiers; `close` ends it.
 * The client needs the scope `feed:read` of the server's own API.
 */
export class Feed {
  readonly issuer: string
  /** The issuer's keys; the verifiers beside this feed share them, so that a withdrawal reaches them at once. */
  readonly keys: KeyRing
  readonly #around: Required<Surroundings>
  readonly #calls: FeedCalls
  readonly #disk: FeedDisk | undefined
  readonly #log = new FeedLog()
  readonly #lease = new Lease()
  readonly #closing = new AbortController()
  readonly #listeners = new Set<() => void>()
  #running: Promise<void> | undefined
  #isReady = false
  #wantsSnapshot = true
  #failures = 0
  #silent = 0
  #acked = ""
  #isAcking = false
  #stored = ""
  #storedAt = -Infinity
  #doubtedAt = -Infinity
  #storing: Promise<void> | undefined

  constructor(issuer: string, settings: FeedSettings & FollowerIdentity) {
    const follower = settings.follower ?? `${hostname()}-${process.pid}`.replace(/[^A-Za-z0-9._-]/g, "-").slice(-64)
    if (!NAME.test(follower)) throw new ConfigurationError("follower must be 1 to 64 of A-Z a-z 0-9 . _ -")
    const address = parseIssuer(issuer), policy = parseKeyPolicy(settings.keyPolicy)
    const { fetch, monotonic, log } = (this.#around = parseSurroundings(settings))
    this.issuer = issuer
    this.#disk = settings.folder === undefined ? undefined : new FeedDisk(settings.folder, issuer)
    this.keys = new KeyRing(policy, () => fetchKeys(fetch, address, policy.timeoutS), monotonic, log)
    this.#calls = new FeedCalls(issuer, settings, follower, fetch, monotonic)
  }

  /** Begins to follow; does nothing where that was done. */
  start(): void {
    if (!this.#closing.signal.aborted) this.#running ??= this.#run()
  }

  /** Ends it. What is known stays known, and grows old. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  /** What is refused now; ask for it anew each time, since a snapshot brings another object. */
  get revocations(): Revocations {
    return this.#log.revocations
  }

  /** Epoch and number of what is in force here. */
  get position(): { readonly epoch: string | undefined; readonly seq: number } {
    return { epoch: this.#log.epoch, seq: this.#log.seq }
  }

  /** How old what we know may be, in seconds; infinite before the first head. */
  ageS(): number {
    return this.#lease.ageS(this.#around.monotonic())
  }

  /** Fresh, stale or lost, by the usual bounds of 5 s and 60 s. */
  state(): LeaseState {
    return stateOf(this.ageS(), DEFAULT_BOUNDS)
  }

  /** Whether the feed was ever known whole in this process. */
  get isReady(): boolean {
    return this.#isReady
  }

  /** True as soon as the feed is known whole, false where that takes longer than `timeoutS`. Begins to follow. */
  async waitReady(timeoutS: number): Promise<boolean> {
    this.start()
    if (this.#isReady) return true
    return new Promise(resolve => {
      const stop = this.onChange(() => this.#isReady && finish())
      const timer = setTimeout(finish, timeoutS * 1000)
      const isReady = () => this.#isReady
      function finish(): void {
        clearTimeout(timer)
        stop()
        resolve(isReady())
      }
    })
  }

  /** Calls back after every change of what is refused; the function that comes back ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    await this.#restore()
    while (!signal.aborted) {
      try {
        if (this.#wantsSnapshot) await this.#loadSnapshot()
        const step = this.#silent < SILENT_STREAMS ? await this.#follow() : await this.#poll()
        if (step !== "good") this.#failures += 1
        if (step === "gap") await this.#catchUp()
        this.#wantsSnapshot ||= step === "snapshot"
      } catch (error) {
        if (!signal.aborted) this.#fail(error)
      }
      await this.#pauseBetween()
    }
    await this.#store()
  }

  /** What an earlier process knew: it refuses from the first moment on, though only a head makes it the truth. */
  async #restore(): Promise<void> {
    try {
      const document = await this.#disk?.load()
      if (document === undefined) return
      this.#log.restore(document, this.issuer)
      this.#wantsSnapshot = false
      this.#tell()
    } catch (error) {
      this.#around.log(`the saved feed is not used: ${String(error).slice(0, 200)}`)
    }
  }

  async #store(): Promise<void> {
    await this.#storing
    this.#storedAt = this.#around.monotonic()
    const { epoch, seq } = this.#log, place = `${epoch}:${seq}`
    if (this.#disk === undefined || this.#stored === place) return
    const document = this.#log.asDocument(this.issuer)
    if (document === undefined) return
    this.#stored = place
    this.#storing = this.#disk.store(document).catch(error => {
      this.#around.log(`the feed cannot be saved: ${String(error).slice(0, 200)}`)
    })
    await this.#storing
  }

  #fail(error: unknown): void {
    this.#failures += 1
    const known = error instanceof OstiaryError ? error : asFetchError(error)
    this.#wantsSnapshot ||= known instanceof FeedRefused
    // The key set may have come from a cache that did not have the key yet; the head itself came from the issuer.
    if (known instanceof UnknownHeadKey && this.#around.monotonic() >= this.#doubtedAt + DOUBT_EVERY_S) {
      this.#doubtedAt = this.#around.monotonic()
      this.keys.expire()
    }
    this.#around.log(`the feed is interrupted: ${known.message.slice(0, 200)}`)
  }

  /** Twice as long after each failure, and never at the same moment as everybody else. */
  async #pauseBetween(): Promise<void> {
    const mostS = Math.min(FIRST_PAUSE_S * 2 ** Math.min(this.#failures, 16), LONGEST_PAUSE_S)
    const { signal } = this.#closing
    await pause(mostS * (0.5 + Math.random() / 2) * 1000, undefined, { signal, ref: false }).catch(() => undefined)
  }

  async #loadSnapshot(): Promise<void> {
    const asked = this.#around.monotonic()
    const told = await this.#calls.snapshot(this.#closing.signal)
    const receivedAt = this.#around.monotonic()
    // What was withdrawn before may be in force again only by what this very snapshot says.
    const head = await verifyHead(told.head, this.keys, this.issuer, kid => this.#isWithdrawn(kid))
    if (this.#log.epoch !== undefined && head.epoch !== this.#log.epoch) this.keys.expire()
    this.#log.takeSnapshot(head, told.body, this.#around.clock())
    this.#wantsSnapshot = false
    this.#agree(this.#lease.connection(asked), head, receivedAt)
    this.#tell()
  }

  /** One stream, to its end; what is to be done after it. */
  async #follow(): Promise<Step> {
    const silence = limited(this.#closing.signal, SILENCE_S, `no heartbeat for ${SILENCE_S} s`)
    const connection = this.#lease.connection(this.#around.monotonic())
    let isHeard = false
    try {
      const parser = new EventParser()
      const response = await this.#calls.events(this.#log.epoch ?? "", this.#log.seq, silence.signal)
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        const receivedAt = this.#around.monotonic()
        for (const event of parser.take(chunk)) {
          const step = await this.#takeEvent(event, connection, receivedAt)
          if (step !== "good") return step
          if (event.event !== "head") continue
          isHeard = true
          silence.renew()
        }
      }
      return "good"
    } finally {
      this.#silent = isHeard ? 0 : this.#silent + 1
      silence.release()
    }
  }

  async #takeEvent(event: ServerEvent, connection: Connection, receivedAt: number): Promise<Step> {
    if (event.event === "reset") return "snapshot"
    if (event.event === "entries") return this.#takeLines(event.data)
    if (event.event === "head") return this.#takeHead(event.data[0]?.toString() ?? "", connection, receivedAt)
    return "good"
  }

  #takeLines(lines: readonly Buffer[]): Step {
    const before = this.#log.seq
    const step = this.#log.takeEntries(lines, entry => this.#notice(entry))
    if (this.#log.seq > before) this.#tell()
    return step
  }

  async #takeHead(jws: string, connection: Connection, receivedAt: number, isLast = true): Promise<Step> {
    const head = await verifyHead(jws, this.keys, this.issuer, kid => this.#isWithdrawn(kid))
    const step = this.#log.takeHead(head, this.#around.clock())
    if (step !== "good") {
      connection.heard(head, receivedAt, false)
      return step
    }
    this.#failures = 0
    if (isLast) this.#agree(connection, head, receivedAt)
    return step
  }

  #agree(connection: Connection, head: Parameters<Connection["heard"]>[0], receivedAt: number): void {
    connection.heard(head, receivedAt, true)
    if (!this.#isReady) {
      this.#isReady = true
      this.#tell()
    }
    void this.#acknowledge()
    if (this.#around.monotonic() >= this.#storedAt + STORE_EVERY_S) void this.#store()
  }

  #isWithdrawn(kid: string): boolean {
    return this.#log.revocations.isKeyWithdrawn(kid)
  }

  #notice(entry: FeedEntry): void {
    if (entry.kind === "key") this.keys.expire()
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener()
  }

  /** What lies between our last number and the log's end. */
  async #catchUp(): Promise<void> {
    while (!this.#wantsSnapshot && !this.#closing.signal.aborted) {
      if ((await this.#askDelta(0)) < PAGE) return
    }
  }

  /** Instead of a stream: the delta, again and again. */
  async #poll(): Promise<Step> {
    const until = this.#around.monotonic() + POLL_S
    while (!this.#wantsSnapshot && !this.#closing.signal.aborted && this.#around.monotonic() < until) {
      await this.#askDelta(POLL_WAIT_S)
    }
    this.#silent = 0
    return "good"
  }

  /** One delta; how many lines it brought. */
  async #askDelta(waitS: number): Promise<number> {
    const connection = this.#lease.connection(this.#around.monotonic())
    const told = await this.#calls.delta(this.#log.epoch ?? "", this.#log.seq, waitS, this.#closing.signal)
    const receivedAt = this.#around.monotonic(), lines = told && linesOf(told)
    if (told === undefined || lines === undefined || this.#takeLines(lines) !== "good") {
      this.#wantsSnapshot = true
      return lines?.length ?? 0
    }
    // The head of a full page is true, but more is waiting: it does not speak of now.
    const isLast = lines.length < PAGE
    if ((await this.#takeHead(told.head, connection, receivedAt, isLast)) !== "good") this.#wantsSnapshot = true
    return lines.length
  }

  /** Says how far we are; one request at a time, and the newest number when it is back. */
  async #acknowledge(): Promise<void> {
    if (this.#isAcking) return
    this.#isAcking = true
    try {
      for (;;) {
        const epoch = this.#log.epoch ?? "", seq = this.#log.seq
        if (this.#acked === `${epoch}:${seq}` || this.#closing.signal.aborted) return
        await this.#calls.acknowledge(epoch, seq, this.#closing.signal)
        this.#acked = `${epoch}:${seq}`
      }
    } catch (error) {
      this.#around.log(`the feed could not be acknowledged: ${String(error).slice(0, 200)}`)
    } finally {
      this.#isAcking = false
    }
  }
}
