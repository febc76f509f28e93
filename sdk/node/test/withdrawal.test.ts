/** A key's withdrawal that nobody vouched for: it refuses tokens, and neither keeps us out nor helps a thief (S39). */

import assert from "node:assert/strict"
import { after, afterEach, before, beforeEach, test } from "node:test"
import { Feed } from "../src/feed.js"
import { CLIENT, Issuer, until } from "./issuer.js"

let issuer: Issuer
let feed: Feed
let logged: string[]
before(async () => {
  issuer = await Issuer.start()
  await issuer.addKey("k2", "ES256")
})
after(() => issuer.stop())
beforeEach(async () => {
  issuer.beginAgain()
  issuer.headKey = "k1"
  logged = []
  feed = new Feed(issuer.issuer, { ...CLIENT, log: words => logged.push(words) })
  await feed.waitReady(5)
  await until(() => issuer.streams === 1)
})
afterEach(async () => {
  issuer.hidden.clear()
  issuer.answers.clear()
  issuer.slipped = undefined
  await feed.close()
})

function lineOf(seq: number, kid: string): string {
  return JSON.stringify({ seq, kind: "key", subject: kid, at: Date.now(), expires: 4e9 })
}

/** Somebody slips the line into the next stream. */
function slipIn(seq: number, kid = "k1"): void {
  issuer.slipped = lineOf(seq, kid)
  issuer.hangUp()
}

const isWithdrawn = (): boolean => feed.revocations.isKeyWithdrawn("k1")
const snapshots = (): number => issuer.asked.get("/feed/v1/snapshot") ?? 0
const says = (words: string): boolean => logged.some(line => line.includes(words))

async function isFollowed(): Promise<void> {
  await issuer.append("token", "jti_1")
  await until(() => feed.position.seq === issuer.lines.length && issuer.acked.at(-1) === issuer.lines.length)
  assert.equal(feed.state(), "fresh")
}

test("a forged withdrawal of the heads' own key keeps nobody out", async () => {
  const seen: boolean[] = []
  feed.onChange(() => seen.push(isWithdrawn()))
  slipIn(1)
  await until(() => seen.includes(true) && !isWithdrawn())
  assert.equal(feed.position.seq, 0)
  await isFollowed()
})

test("nor does one under the number of a true entry, where no 410 would ever come", async () => {
  const seen: boolean[] = []
  feed.onChange(() => seen.push(isWithdrawn()))
  issuer.isSilent = true
  issuer.hangUp()
  issuer.lines.push(lineOf(1, "of-somebody-else"))
  issuer.slipped = lineOf(1, "k1")
  issuer.isSilent = false
  await until(() => seen.includes(true) && !isWithdrawn() && feed.position.seq === 1)
  await isFollowed()
})

test("a withdrawal that was vouched for holds against old snapshots of that key, though the key set lists it", async () => {
  issuer.headKey = "k2"
  await issuer.append("key", "k1")
  await until(() => issuer.acked.at(-1) === 1 && isWithdrawn())
  const lines = issuer.lines
  // The thief answers from before; and a second line that nobody vouched for makes the first one no weaker.
  issuer.headKey = "k1"
  slipIn(2)
  await until(() => says("withdrawn"))
  issuer.lines = []
  const before = snapshots()
  await until(() => snapshots() >= before + 2)
  assert.ok(isWithdrawn() && feed.position.seq > 0)
  issuer.headKey = "k2"
  issuer.lines = lines
  await until(() => feed.position.seq === 1 && feed.state() === "fresh")
  assert.ok(isWithdrawn())
})

test("a key that the issuer lists no more does not take its withdrawal back", async () => {
  // The stream is cut before the head that vouches, and a thief answers with a snapshot of their own.
  issuer.hidden.add("k1")
  slipIn(1)
  await until(() => says("a key that the issuer publishes"))
  const before = snapshots()
  await until(() => snapshots() >= before + 2)
  assert.ok(isWithdrawn())
})

test("while the keys cannot be read a doubted one proves no snapshot, and later it does", async () => {
  issuer.keysStatus = 500
  try {
    slipIn(1)
    await until(() => says("the issuer answered 500"))
    const before = snapshots()
    await until(() => snapshots() >= before + 2, 10_000)
    assert.ok(isWithdrawn())
  } finally {
    issuer.keysStatus = 200
  }
  await until(() => !isWithdrawn() && feed.state() === "fresh", 10_000)
})

test("a snapshot that withdraws its own key is not believed", async () => {
  await issuer.append("key", "k1")
  await until(() => says("by its own words"))
  issuer.headKey = "k2"
  await until(() => feed.position.seq === 1 && issuer.acked.at(-1) === 1 && isWithdrawn())
})
