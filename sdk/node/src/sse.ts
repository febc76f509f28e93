/** Server-sent events from a stream of bytes (HTML Living Standard §9.2), bounded in every direction. No I/O. */

import { FeedRefused } from "./errors.js"
import { MAX_LINE_BYTES } from "./feed-lines.js"

const MAX_EVENT_BYTES = 4_194_304
const LF = 0x0a, CR = 0x0d

/** One event; `data` is its lines as bytes, never decoded: the chain covers exactly these. */
export interface ServerEvent {
  readonly event: string
  readonly id: string | undefined
  readonly data: readonly Buffer[]
}

/** Takes chunks, gives the events that they end. FeedRefused for a line or an event larger than allowed. */
export class EventParser {
  #rest: Buffer = Buffer.alloc(0)
  #event = ""
  #id: string | undefined
  #data: Buffer[] = []
  #size = 0

  take(chunk: Uint8Array): ServerEvent[] {
    const text = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : Buffer.from(chunk)
    const events: ServerEvent[] = []
    let from = 0
    for (let end = text.indexOf(LF); end >= 0; end = text.indexOf(LF, from)) {
      const line = text.subarray(from, text[end - 1] === CR && end > from ? end - 1 : end)
      from = end + 1
      const event = this.#takeLine(line)
      if (event !== undefined) events.push(event)
    }
    this.#rest = text.subarray(from)
    check(this.#rest)
    return events
  }

  #takeLine(line: Buffer): ServerEvent | undefined {
    check(line)
    if (line.length === 0) return this.#end()
    const colon = line.indexOf(0x3a)
    const name = line.toString("latin1", 0, colon < 0 ? line.length : colon)
    const value = colon < 0 ? Buffer.alloc(0) : line.subarray(line[colon + 1] === 0x20 ? colon + 2 : colon + 1)
    if (name === "data") {
      this.#size += value.length + 1
      if (this.#size > MAX_EVENT_BYTES) throw new FeedRefused(`an event is larger than ${MAX_EVENT_BYTES} bytes`)
      this.#data.push(Buffer.from(value))
    } else if (name === "event") this.#event = value.toString()
    else if (name === "id") this.#id = value.toString()
    return undefined
  }

  #end(): ServerEvent | undefined {
    const event = { event: this.#event || "message", id: this.#id, data: this.#data }
    this.#event = ""
    this.#data = []
    this.#size = 0
    return event.data.length > 0 ? event : undefined
  }
}

function check(line: Buffer): void {
  if (line.length > MAX_LINE_BYTES + 6) throw new FeedRefused(`a line is longer than ${MAX_LINE_BYTES} bytes`)
}
