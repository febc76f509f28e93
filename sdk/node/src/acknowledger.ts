/** Telling the server what is in force here: soon, not more often than it is worth, and without harm when it fails. */

import { setTimeout as pause } from "node:timers/promises"
import type { Log } from "./options.js"

const EVERY_S = 0.1
const PAUSE_AFTER_FAILURE_S = 2

interface Place {
  readonly epoch: string
  readonly seq: number
}

/** Sends the newest number only. */
export class Acknowledger {
  #noted: Place | undefined
  #isDue = false
  #isSending = false
  #hasFailed = false

  constructor(
    private readonly send: (epoch: string, seq: number) => Promise<void>,
    private readonly log: Log,
    private readonly signal: AbortSignal,
  ) {}

  /** Everything up to this number is in force; it is told where that is news, or the server may not know it. */
  note(epoch: string, seq: number, isNewConnection: boolean): void {
    if (this.#noted?.epoch === epoch && this.#noted.seq === seq && !isNewConnection) return
    this.#noted = { epoch, seq }
    this.#isDue = true
    if (!this.#isSending) void this.#sendAll()
  }

  /** Ten times a second at most; a failure is tried again with what is noted by then. */
  async #sendAll(): Promise<void> {
    this.#isSending = true
    while (this.#isDue && !this.signal.aborted) {
      this.#isDue = false
      const isTold = await this.#sendOnce()
      if (!isTold) this.#isDue = true
      const pauseMs = (isTold ? EVERY_S : PAUSE_AFTER_FAILURE_S) * 1000
      await pause(pauseMs, undefined, { signal: this.signal, ref: false }).catch(() => undefined)
    }
    this.#isSending = false
  }

  async #sendOnce(): Promise<boolean> {
    try {
      if (this.#noted !== undefined) await this.send(this.#noted.epoch, this.#noted.seq)
      this.#hasFailed = false
      return true
    } catch (error) {
      if (!this.#hasFailed && !this.signal.aborted) {
        this.log(`the feed could not be acknowledged: ${String(error).slice(0, 200)}`)
      }
      this.#hasFailed = true
      return false
    }
  }
}
