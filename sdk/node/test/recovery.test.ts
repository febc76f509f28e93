/** Finding the way back: at once where something is missing, politely where a server is in trouble. */

import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, afterEach, before, test } from "node:test"
import { ConfigurationError } from "../src/errors.js"
import { Feed, type FeedSettings } from "../src/feed.js"
import { FeedDisk } from "../src/feed-disk.js"
import { Backoff, spreadS } from "../src/backoff.js"
import { responseParts } from "../src/bearer.js"
import { CLIENT, Issuer, until } from "./issuer.js"

let issuer: Issuer
let open: Feed[] = []
let logged: string[] = []
before(async () => {
  issuer = await Issuer.start()
})
after(() => issuer.stop())
afterEach(async () => {
  issuer.answers.clear()
  issuer.isSilent = false
  issuer.headKey = "k1"
  await Promise.all(open.map(feed => feed.close()))
  open = []
  logged = []
})

function follow(settings: FeedSettings = {}): Feed {
  const feed = new Feed(issuer.issuer, { ...CLIENT, log: words => logged.push(words), ...settings })
  open.push(feed)
  return feed
}

const asked = (name: string): number => issuer.asked.get(`/feed/v1/${name}`) ?? 0
const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

async function isKnown(feed: Feed, withinMs = 5000): Promise<void> {
  await until(() => feed.position.seq === issuer.lines.length && feed.state() === "fresh", withinMs)
}

test("after a reset, and after 410 to a stream or a delta, the snapshot is loaded at once", async () => {
  const feed = follow()
  await feed.waitReady(5)
  for (const kind of ["reset", "410"]) {
    const snapshots = asked("snapshot"), began = performance.now()
    if (kind === "410") {
      issuer.answers.set("events", response => {
        issuer.answers.clear()
        response.writeHead(410).end("{}")
      })
      issuer.hangUp()
    } else issuer.beginAgain()
    await until(() => asked("snapshot") === snapshots + 1)
    assert.ok(performance.now() - began < 1000, kind)
    await isKnown(feed)
  }
})

test("a server that is busy says when to come back, and is believed up to five seconds", async () => {
  issuer.answers.set("snapshot", response => response.writeHead(503, { "retry-after": "2" }).end("{}"))
  const feed = follow(), before = asked("snapshot")
  assert.equal(await feed.waitReady(1.2), false)
  assert.equal(asked("snapshot"), before + 1)
  issuer.answers.clear()
  assert.ok(await feed.waitReady(5))
})

test("a refused token is renewed once, and the feed goes on without a pause", async () => {
  const feed = follow()
  await feed.waitReady(5)
  const tokens = issuer.asked.get("/token") ?? 0, began = performance.now()
  issuer.answers.set("events", response => {
    issuer.answers.clear()
    response.writeHead(401).end("{}")
  })
  issuer.hangUp()
  await issuer.append("token", "jti_1")
  await isKnown(feed)
  assert.ok(performance.now() - began < 1500)
  assert.equal(issuer.asked.get("/token"), tokens + 1)
  assert.deepEqual(logged, [])
})

test("a stream that ends at once is not asked for without a pause, longer each time", async () => {
  issuer.answers.set("events", response => response.writeHead(200, { "content-type": "text/event-stream" }).end())
  const feed = follow(), before = asked("events")
  await feed.waitReady(5)
  await pause(2000)
  assert.ok(asked("events") - before <= 8)
  issuer.answers.clear()
  await until(() => issuer.streams === 1, 8000)
})

test("a head that proves nothing costs the connection, and no snapshot", async () => {
  const feed = follow()
  await feed.waitReady(5)
  const snapshots = asked("snapshot"), streams = asked("events")
  await issuer.addKey("stranger", "ES256")
  issuer.hidden.add("stranger")
  issuer.headKey = "stranger"
  await until(() => asked("events") >= streams + 3)
  assert.equal(asked("snapshot"), snapshots)
  assert.equal(logged.length, 1, "a trouble is told once")
  issuer.headKey = "k1"
  await isKnown(feed)
})

test("one silent stream is enough to poll, and a server that refuses every delta is not stormed", { timeout: 60_000 }, async () => {
  const feed = follow()
  await feed.waitReady(5)
  issuer.isSilent = true
  issuer.hangUp()
  const streams = asked("events")
  await until(() => asked("delta") > 0, 8000)
  assert.ok(asked("events") - streams <= 1)
  issuer.answers.set("delta", response => response.writeHead(410).end("{}"))
  const before = asked("snapshot")
  await until(() => asked("snapshot") > before)
  await pause(2000)
  assert.ok(asked("snapshot") - before <= 8)
  issuer.answers.clear()
  await issuer.append("token", "jti_2")
  await isKnown(feed, 10_000)
})

test("a full page that brings nothing new is not asked for without end", async () => {
  const lines = issuer.lines
  issuer.lines = Array.from({ length: 1000 }, (_, n) =>
    JSON.stringify({ seq: n + 1, kind: "token", subject: `j${n}`, at: 1, expires: 4e9 }))
  issuer.isSilent = true
  const page = issuer.lines.map(line => `${line}\n`).join("")
  try {
    const feed = follow()
    await feed.waitReady(5)
    const heads: string[] = []
    issuer.answers.set("delta", async response => {
      heads.push(await issuer.head())
      response.writeHead(200, { "content-type": "application/x-ndjson" })
      response.end(`${page}${JSON.stringify({ head: heads.at(-1) })}\n`)
    })
    await until(() => logged.some(words => words.includes("nothing new")), 10_000)
    assert.ok(heads.length <= 3)
  } finally {
    issuer.lines = lines
    issuer.beginAgain()
  }
})

test("each connection is acknowledged anew, a failure is told again, and only what a head vouched for", async () => {
  issuer.acked.length = 0
  const feed = follow()
  await feed.waitReady(5)
  await until(() => issuer.acked.length === 1)
  await until(() => issuer.streams === 1)
  await pause(300)
  issuer.hangUp()
  await until(() => issuer.acked.length >= 2, 3000)
  let failures = 0
  issuer.answers.set("ack", response => {
    failures += 1
    response.writeHead(500).end("{}")
  })
  await issuer.append("token", "jti_3")
  await until(() => failures === 1)
  issuer.answers.clear()
  const before = issuer.acked.length
  await until(() => issuer.acked.length > before && issuer.acked.at(-1) === issuer.lines.length)
  assert.equal(feed.state(), "fresh")
  const many = issuer.acked.length, began = performance.now()
  for (let n = 0; n < 50; n++) await issuer.append("token", `many_${n}`)
  await until(() => issuer.acked.at(-1) === issuer.lines.length)
  assert.ok(issuer.acked.length - many <= 3 + (performance.now() - began) / 100)
})

test("an answer of another kind is not read, and one that is packed otherwise neither", async () => {
  for (const headers of [{ "content-type": "text/html" }, { "content-type": "application/x-ndjson", "content-encoding": "br" }]) {
    issuer.answers.set("snapshot", response => response.writeHead(200, headers).end("<html>sign in to the hotel</html>"))
    const feed = follow()
    assert.equal(await feed.waitReady(0.3), false)
    await feed.close()
  }
  assert.deepEqual(logged.map(words => words.replace("the feed is interrupted: ", "")), [
    "the answer must be application/x-ndjson", "the issuer's answer is compressed against our wish",
  ])
})

test("the program may bring its own tokens, and what its function throws is not told", async () => {
  const own = (token: () => Promise<string>): Feed => {
    const feed = new Feed(issuer.issuer, { token, log: words => logged.push(words) })
    open.push(feed)
    return feed
  }
  assert.ok(await own(async () => "feed-token").waitReady(5))
  const failing = own(async () => {
    throw new TypeError("the secret is hunter2")
  })
  assert.equal(await failing.waitReady(0.3), false)
  assert.deepEqual(logged, ["the feed is interrupted: the token function threw TypeError"])
  assert.throws(() => new Feed(issuer.issuer, { ...CLIENT, token: async () => "t" }), ConfigurationError)
})

test("a callback that fails harms nobody", async () => {
  const feed = follow()
  feed.onChange(() => {
    throw new Error("of the program's own")
  })
  await feed.waitReady(5)
  await issuer.append("token", "jti_4")
  await isKnown(feed)
  assert.ok(logged.every(words => words === "a callback of the feed failed: Error"))
})

test("what killed processes left on the disk is removed, and a pipe in the file's place holds nobody up", async () => {
  const folder = await mkdtemp(join(tmpdir(), "ostiary-feed-")), disk = new FeedDisk(folder, issuer.issuer)
  try {
    const [old, young] = [1, 2].map(n => disk.path.replace(".ndjson", `.${n}-ab.new`)) as [string, string]
    for (const path of [old, young]) await writeFile(path, "half")
    await utimes(old, 1, 1)
    assert.equal(await disk.load(), undefined)
    assert.deepEqual(await readdir(folder), [young.split("/").at(-1)])
    execFileSync("mkfifo", ["-m", "600", disk.path])
    await assert.rejects(disk.load(), /not a file of the expected size/)
  } finally {
    await rm(folder, { recursive: true })
  }
})

test("pauses double up to a bound, are shortened by chance, and listen to the server", () => {
  const longest = new Backoff(0.1, 5, () => 1), shortest = new Backoff(0.1, 5, () => 0)
  assert.deepEqual([1, 2, 3].map(() => longest.nextPauseS()), [0.1, 0.2, 0.4])
  assert.equal(shortest.nextPauseS(), 0.05)
  for (let n = 0; n < 20; n++) longest.nextPauseS()
  assert.equal(longest.nextPauseS(), 5)
  longest.reset()
  assert.deepEqual([longest.nextPauseS(2), longest.nextPauseS(3600)], [3, 7.5])
  assert.equal(shortest.nextPauseS(2), 2)
})

test("who is told to come back is told so at least, and by chance up to half of it more", () => {
  const almostOne = 1 - Number.EPSILON
  for (const [least, most] of [[1, 2], [2, 3], [5, 8], [3600, 5400]] as const) {
    assert.deepEqual([spreadS(least, () => 0), spreadS(least, () => almostOne)], [least, most])
  }
  const refusal = { status: 503, error: "temporarily_unavailable", description: "later", retryAfterS: 5 } as const
  const told = new Set(Array.from({ length: 300 }, () => responseParts(refusal, "api").headers["retry-after"]))
  assert.deepEqual([...told].sort(), ["5", "6", "7", "8"])
})
