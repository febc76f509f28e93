/** The follower of the issuer's feed: what is revoked, known in this process within a second, and how surely. */

import { randomBytes } from "node:crypto"
import { hostname } from "node:os"
import { parseIssuer } from "./discovery.js"
import { ConfigurationError } from "./errors.js"
import { FeedCalls, type FollowerIdentity } from "./feed-calls.js"
import { FeedDisk } from "./feed-disk.js"
import { FeedLog } from "./feed-log.js"
import { Follower } from "./follower.js"
import { fetchKeys, KeyRing } from "./keyring.js"
import { Lease, stateOf, type LeaseState } from "./lease.js"
import { parseSurroundings, type Surroundings } from "./options.js"
import type { Revocations } from "./revocations.js"
import { parseKeyPolicy, type KeyPolicy } from "./values.js"

const STORE_EVERY_S = 10
const DEFAULT_BOUNDS = { freshForS: 5, lostAfterS: 60 }
const NAME = /^[A-Za-z0-9._-]{1,64}$/

export interface FeedSettings extends Surroundings {
  /**
   * The name of this process among the followers; host, process id and a random part by default. Every process needs
   * one of its own: the server takes two of one name for one.
   */
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
  readonly #disk: FeedDisk | undefined
  readonly #log = new FeedLog()
  readonly #lease = new Lease()
  readonly #closing = new AbortController()
  readonly #listeners = new Set<() => void>()
  readonly #follower: Follower
  readonly #calls: FeedCalls
  #running: Promise<void> | undefined
  #isReady = false
  #stored = ""
  #storedAt = -Infinity
  #storing: Promise<void> | undefined
  #hasWarned = false

  constructor(issuer: string, settings: FeedSettings & FollowerIdentity) {
    const follower = settings.follower ?? someName()
    if (!NAME.test(follower)) throw new ConfigurationError("follower must be 1 to 64 of A-Z a-z 0-9 . _ -")
    const address = parseIssuer(issuer), policy = parseKeyPolicy(settings.keyPolicy)
    const { fetch, monotonic, log } = (this.#around = parseSurroundings(settings))
    this.issuer = issuer
    this.#disk = settings.folder === undefined ? undefined : new FeedDisk(settings.folder, issuer)
    this.keys = new KeyRing(policy, () => fetchKeys(fetch, address, policy.timeoutS), monotonic, log)
    this.#calls = new FeedCalls(issuer, settings, follower, fetch, monotonic)
    this.#follower = new Follower({
      issuer, log: this.#log, lease: this.#lease, keys: this.keys, around: this.#around, signal: this.#closing.signal,
      calls: this.#calls,
      changed: () => this.#tell(),
      vouched: () => this.#vouched(),
    })
  }

  /** Begins to follow; does nothing where that was done. */
  start(): void {
    if (!this.#closing.signal.aborted) this.#running ??= this.#run()
  }

  /** Ends it and says goodbye to the server. What is known stays known and refuses; nothing is accepted by it. */
  async close(): Promise<void> {
    const isFirst = !this.#closing.signal.aborted
    this.#closing.abort()
    // Said before nobody could be accepted by it any more, a goodbye would be a lie.
    this.#lease.end()
    await this.#running
    if (isFirst && this.#isReady) await this.#sayGoodbye()
  }

  async #sayGoodbye(): Promise<void> {
    const { epoch, seq } = this.#log
    if (epoch !== undefined) await this.#calls.sayGoodbye(epoch, seq).catch(() => undefined)
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

  /** Begins, and waits until the feed is known whole, so long at most; whether it may be built upon now. */
  async waitReady(timeoutS: number): Promise<boolean> {
    this.start()
    if (!this.#isReady) await this.#waitFirst(timeoutS)
    return this.state() !== "lost"
  }

  #waitFirst(timeoutS: number): Promise<void> {
    return new Promise(resolve => {
      const stop = this.onChange(() => this.#isReady && finish())
      const timer = setTimeout(finish, timeoutS * 1000)
      function finish(): void {
        clearTimeout(timer)
        stop()
        resolve()
      }
    })
  }

  /** Calls back after every change of what is refused; the function that comes back ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async #run(): Promise<void> {
    await this.#restore()
    await this.#follower.follow()
    await this.#store()
  }

  /** What an earlier process knew: it refuses from the first moment on, though only a head makes it the truth. */
  async #restore(): Promise<void> {
    try {
      const document = await this.#disk?.load()
      if (document === undefined) return
      this.#log.restore(document, this.issuer)
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
    this.#storing = this.#disk.store(document).then(() => void (this.#hasWarned = false), error => {
      if (!this.#hasWarned) this.#around.log(`the feed cannot be saved: ${String(error).slice(0, 200)}`)
      this.#hasWarned = true
    })
    await this.#storing
  }

  /** A head agrees with all that is known. */
  #vouched(): void {
    if (!this.#isReady) {
      this.#isReady = true
      this.#tell()
    }
    if (this.#around.monotonic() >= this.#storedAt + STORE_EVERY_S) void this.#store()
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener()
      } catch (error) {
        this.#around.log(`a callback of the feed failed: ${error instanceof Error ? error.name : typeof error}`)
      }
    }
  }
}

/** Two containers may well have the same host's name and process id. */
function someName(): string {
  const tail = `-${process.pid}-${randomBytes(3).toString("hex")}`
  return hostname().replace(/[^A-Za-z0-9._-]/g, "-").slice(0, 64 - tail.length) + tail
}
