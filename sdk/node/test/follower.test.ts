/** Whatever is dropped, doubled, put out of order, set back or begun anew: a good head means that all is known. */

import assert from "node:assert/strict"
import { createHash } from "node:crypto"
import { test } from "node:test"
import { firstChain, nextChain, type FeedHead } from "../src/feed-lines.js"
import { FeedLog, type Step } from "../src/feed-log.js"

const ISSUER = "https://id.example.com"
const KINDS = ["token", "grant", "session", "person", "client", "key", "facts", "policy", "weather"]
const RUNS = 300
const STEPS = 60

/** A small generator of random numbers, so that a run that fails can be run again (mulberry32). */
function random(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

/** The server's log, plainly. */
class PlainLog {
  epoch = "0".repeat(32)
  lines: Buffer[] = []
  upMs = 0

  append(pick: (below: number) => number): void {
    const kind = KINDS[pick(KINDS.length)] ?? "token"
    const more = kind === "facts" ? { facts: { suspended: pick(2) === 0, risk: pick(101) } } : { not_before: pick(100) }
    const entry = { seq: this.lines.length + 1, kind, subject: `s${pick(20)}`, at: 1, expires: 4e9, ...more }
    this.lines.push(Buffer.from(JSON.stringify(entry)))
  }

  beginAgain(pick: (below: number) => number): void {
    this.epoch = createHash("md5").update(`${pick(2 ** 31)}`).digest("hex")
    this.lines = []
  }

  head(snapshot?: Buffer): FeedHead {
    const chain = this.lines.reduce(nextChain, firstChain(ISSUER, this.epoch))
    const digest = snapshot && createHash("sha256").update(snapshot).digest("base64url")
    const count = snapshot && this.lines.length
    return { epoch: this.epoch, seq: this.lines.length, chain, atMs: 1e6, upMs: ++this.upMs, boot: "b", count, digest }
  }
}

function load(log: FeedLog, server: PlainLog): void {
  const body = Buffer.concat(server.lines.map(line => Buffer.from(`${line}\n`)))
  log.takeSnapshot(server.head(body), body, 1e6)
}

/** What the network makes of the lines after a number. */
function mangle(lines: readonly Buffer[], pick: (below: number) => number): Buffer[] {
  const kept = lines.filter(() => pick(8) > 0)
  const doubled = kept.flatMap(line => (pick(8) === 0 ? [line, line] : [line]))
  if (doubled.length > 1 && pick(4) === 0) doubled.reverse()
  return doubled
}

function obey(step: Step, log: FeedLog, server: PlainLog): void {
  if (step === "gap") {
    const missing = log.epoch === server.epoch ? server.lines.slice(log.seq) : []
    step = log.takeEntries(missing) === "good" ? log.takeHead(server.head(), 1e6) : "snapshot"
  }
  if (step !== "good") load(log, server)
}

test("after a good head a follower knows exactly the server's log", () => {
  const seen = new Set<Step>()
  for (let seed = 1; seed <= RUNS; seed++) {
    const pick = random(seed), server = new PlainLog()
    let log = new FeedLog()
    for (let n = 0; n < STEPS; n++) {
      const event = pick(40)
      if (event === 0) server.beginAgain(pick)
      else if (event === 1) server.lines = server.lines.slice(0, pick(server.lines.length + 1))
      else if (event === 2) log = new FeedLog()
      else server.append(pick)
      let step = log.takeEntries(mangle(server.lines.slice(pick(2) === 0 ? log.seq : 0), pick))
      if (step === "good") step = log.takeHead(server.head(), pick(2) * 1e12)
      seen.add(step)
      obey(step, log, server)
      const words = `seed ${seed}, step ${n}`
      assert.deepEqual([log.epoch, log.seq], [server.epoch, server.lines.length], words)
      assert.deepEqual(log.revocations.lines(), server.lines.map(String), words)
    }
  }
  assert.deepEqual([...seen].sort(), ["gap", "good", "snapshot"])
})

test("what a head does not vouch for refuses at once, and relieves of nothing", () => {
  const server = new PlainLog(), log = new FeedLog()
  load(log, server)
  const say = (facts: object): Buffer => {
    const line = Buffer.from(
      JSON.stringify({ seq: server.lines.length + 1, kind: "facts", subject: "usr_1", at: 9000, expires: 4e9, facts }),
    )
    server.lines.push(line)
    return line
  }
  const token = {
    iss: ISSUER, sub: "usr_1", aud: [], exp: 99, iat: 5, jti: "j", clientId: "c", scope: [], grant: undefined,
    sid: undefined, authTime: undefined, acr: undefined, amr: [], risk: 50, cnf: undefined, actors: [],
    azp: undefined, claims: {},
  }
  const isRefused = (): boolean => log.revocations.refusal(token, "k") !== undefined
  log.takeEntries([say({ suspended: true, risk: 1 })])
  assert.deepEqual([isRefused(), log.revocations.overlay(token).risk], [true, 50])
  log.takeEntries([say({ suspended: false })])
  assert.equal(isRefused(), true)
  assert.equal(log.takeHead(server.head(), 1e6), "good")
  assert.deepEqual([isRefused(), log.revocations.overlay(token).risk], [false, 1])
})

test("entries are forgotten only when both clocks say so", () => {
  const server = new PlainLog(), log = new FeedLog()
  server.lines.push(Buffer.from('{"seq":1,"kind":"grant","subject":"g","at":1,"expires":2000}'))
  load(log, server)
  const agreed = (atMs: number, nowS: number): number => {
    assert.equal(log.takeHead({ ...server.head(), atMs }, nowS), "good")
    return log.revocations.size
  }
  assert.equal(agreed(1_999_000, 5000), 1)
  assert.equal(agreed(9_000_000, 1999), 1)
  assert.equal(agreed(9_000_000, 3000), 0)
})
