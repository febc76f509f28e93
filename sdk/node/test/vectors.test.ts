/** The protocol's own examples (docs/feed-vectors.json), which every implementation reads the same way. */

import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { FeedRefused } from "../src/errors.js"
import { firstChain, nextChain, parseEntry, type FeedHead } from "../src/feed-lines.js"
import { FeedLog, splitLines, type Step } from "../src/feed-log.js"
import { verifyHead } from "../src/heads.js"
import { parseKeySet } from "../src/jwk.js"
import { KeyRing } from "../src/keyring.js"
import { Lease, stateOf, type LeaseState } from "../src/lease.js"
import { decide, parseFailurePolicy, type Sensitivity } from "../src/policy.js"
import { EventParser } from "../src/sse.js"
import { parseAccessToken } from "../src/claims.js"
import { parseKeyPolicy } from "../src/values.js"

interface Vectors {
  issuer: string
  epoch: string
  jwks: object
  first_chain: string
  entries: { line: string; says: Record<string, unknown>; chain: string }[]
  bad_lines: { why: string; line: string }[]
  heads: { seq: number; payload: Record<string, unknown>; jws: string }[]
  bad_heads: { why: string; jws: string }[]
  snapshot: { body: string; count: number; digest: string }
  events: { body: string; events: { event: string; id?: string; lines?: string[]; head?: string }[] }
  followers: { name: string; steps: FollowerStep[] }[]
  tokens: {
    name: string; after: number; kid: string; claims: Record<string, unknown>
    expect: { refused_by: string | null; risk: number | null; acr: string | null }
  }[]
  leases: { name: string; steps: { do: string; now: number; up: number; boot: string; expect: LeaseState }[] }[]
  decisions: {
    sensitivity: Sensitivity; state: LeaseState; low_runs_to_exp: boolean; can_introspect: boolean; action: string
  }[]
}

interface FollowerStep {
  do: "entries" | "head" | "snapshot"
  lines: string[]
  head: string
  expect: { step: Step; epoch: string | null; seq: number; obeyed: number[] }
}

/** Seen from where the compiled tests lie. */
const PLACE = new URL("../../../../docs/feed-vectors.json", import.meta.url)
const vectors = JSON.parse(readFileSync(PLACE, "utf8")) as Vectors
const NOW_S = Number(vectors.heads[0]?.payload["at"]) / 1000

const HEAD: FeedHead = {
  epoch: vectors.epoch, seq: 0, chain: Buffer.alloc(0), atMs: NOW_S * 1000, upMs: 9e6, boot: "b",
  count: undefined, digest: undefined,
}

const keys = new KeyRing(
  parseKeyPolicy(),
  async () => ({ keys: await parseKeySet(Buffer.from(JSON.stringify(vectors.jwks))), freshForS: 300 }),
  () => 0,
  () => undefined,
)
await keys.reload()
const prove = (jws: string): Promise<FeedHead> =>
  verifyHead(jws, async kid => keys.findBehind(kid), vectors.issuer)
const asBody = (lines: readonly string[]): Buffer => Buffer.from(lines.map(line => `${line}\n`).join(""))

test("every line says what it says, and the chain covers its bytes", () => {
  let chain = firstChain(vectors.issuer, vectors.epoch)
  assert.equal(chain.toString("base64url"), vectors.first_chain)
  assert.ok(vectors.entries.length > 5)
  for (const { line, says, chain: expected } of vectors.entries) {
    const entry = parseEntry(Buffer.from(line))
    const { seq, kind, subject, atMs: at, expiresS: expires, notBeforeS: not_before, facts } = entry
    const told = { seq, kind, subject, at, expires, not_before, facts }
    for (const [name, value] of Object.entries(says)) {
      if (name in told) assert.deepEqual(told[name as keyof typeof told], value, line)
    }
    chain = nextChain(chain, entry.line)
    assert.equal(chain.toString("base64url"), expected)
  }
})

for (const { why, line } of vectors.bad_lines) {
  test(`a line is refused: ${why}`, () => assert.throws(() => parseEntry(Buffer.from(line)), FeedRefused))
}

test("every head is proven and says what its payload says", async () => {
  for (const { payload, jws } of vectors.heads) {
    const head = await prove(jws)
    assert.deepEqual(
      [head.epoch, head.seq, head.chain.toString("base64url"), head.atMs, head.upMs, head.boot],
      ["epoch", "seq", "chain", "at", "up", "boot"].map(name => payload[name]),
    )
  }
})

for (const { why, jws } of vectors.bad_heads) {
  test(`a head is refused: ${why}`, () => assert.rejects(prove(jws), FeedRefused))
}

test("the snapshot is taken whole", async () => {
  const [first = Buffer.alloc(0), ...rest] = splitLines(Buffer.from(vectors.snapshot.body))
  const head = await prove((JSON.parse(first.toString()) as { head: string }).head)
  const log = new FeedLog()
  log.takeSnapshot(head, asBody(rest.map(String)), NOW_S)
  assert.deepEqual([log.revocations.size, head.digest], [vectors.snapshot.count, vectors.snapshot.digest])
})

test("the stream gives the same events however it is cut", () => {
  const body = Buffer.from(vectors.events.body)
  const expected = vectors.events.events.map(each => [each.event, each.lines ?? (each.head ? [each.head] : undefined)])
  for (const size of [1, 2, 3, 7, 64, 1000, body.length]) {
    const parser = new EventParser(), got: unknown[] = []
    for (let from = 0; from < body.length; from += size) {
      for (const { event, data } of parser.take(body.subarray(from, from + size))) {
        got.push([event, event === "reset" ? undefined : data.map(String)])
      }
    }
    assert.deepEqual(got, expected, `in pieces of ${size}`)
  }
})

test("line ends may be those of other systems, comments pass, and a line without end is given up", () => {
  const events = new EventParser().take(Buffer.from(": hello\r\nid: 1\r\nevent: entries\r\ndata: a\r\ndata:b\r\n\r\n"))
  assert.deepEqual(events, [{ event: "entries", id: "1", data: [Buffer.from("a"), Buffer.from("b")] }])
  const parser = new EventParser()
  assert.throws(() => {
    for (let n = 0; n < 100; n++) parser.take(Buffer.alloc(1024, "x"))
  }, FeedRefused)
})

async function takeStep(log: FeedLog, step: FollowerStep): Promise<Step> {
  if (step.do === "entries") return log.takeEntries(step.lines.map(line => Buffer.from(line)))
  const head = await prove(step.head)
  if (step.do === "head") return log.takeHead(head, NOW_S)
  try {
    log.takeSnapshot(head, asBody(step.lines), NOW_S)
    return "good"
  } catch (error) {
    assert.ok(error instanceof FeedRefused)
    return "snapshot"
  }
}

for (const { name, steps } of vectors.followers) {
  test(`a follower meets: ${name}`, async () => {
    const log = new FeedLog()
    for (const step of steps) {
      const outcome = await takeStep(log, step)
      const obeyed = log.revocations.lines().map(line => (JSON.parse(line) as { seq: number }).seq)
      assert.deepEqual({ step: outcome, epoch: log.epoch ?? null, seq: log.seq, obeyed }, step.expect)
    }
  })
}

for (const { name, after, kid, claims, expect } of vectors.tokens) {
  test(`a token ${name}, after ${after} entries`, async () => {
    const log = new FeedLog()
    const steps = vectors.followers.flatMap(each => each.steps)
    const begin = steps.find(step => step.do === "snapshot" && step.lines.length === 0)
    assert.ok(begin)
    await takeStep(log, begin)
    assert.equal(log.takeEntries(vectors.entries.slice(0, after).map(each => Buffer.from(each.line))), "good")
    assert.equal(log.takeHead({ ...HEAD, seq: log.seq, chain: log.chain }, 0), "good")
    const iat = Number(claims["iat"])
    const { issuer } = vectors, audience = String(claims["aud"])
    const expected = { issuer, audience, algorithms: new Set(["ES256"]), leewayS: 0, acceptsBound: false }
    const token = log.revocations.overlay(parseAccessToken(claims, expected, iat))
    const refused_by = log.revocations.refusal(token, kid)?.kind ?? null
    assert.deepEqual({ refused_by, risk: token.risk ?? null, acr: token.acr ?? null }, expect)
  })
}

for (const { name, steps } of vectors.leases) {
  test(`the lease is ${name}`, () => {
    const lease = new Lease()
    let connection = lease.connection(-Infinity)
    for (const { do: what, now, up, boot, expect } of steps) {
      if (what === "ask") connection = lease.connection(now)
      else if (what === "look") assert.equal(stateOf(lease.ageS(now), parseFailurePolicy()), expect, `at ${now}`)
      else connection.heard({ ...HEAD, upMs: up, boot }, now, true)
    }
  })
}

test("the failure policy decides as the table says", () => {
  assert.ok(vectors.decisions.length > 20)
  for (const { sensitivity, state, low_runs_to_exp: lowRunsToExp, can_introspect, action } of vectors.decisions) {
    const policy = parseFailurePolicy({ lowRunsToExp })
    const words = `${sensitivity} ${state} ${lowRunsToExp} ${can_introspect}`
    assert.equal(decide(policy, sensitivity, state, can_introspect), action, words)
  }
})
