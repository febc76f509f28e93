/** The follower obeys within a second, knows how old its knowledge is, and finds its way back from every break. */

import assert from "node:assert/strict"
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, afterEach, before, test } from "node:test"
import { ConfigurationError, FeedUnavailable, TokenError } from "../src/errors.js"
import { Feed, type FeedSettings } from "../src/feed.js"
import { FeedDisk } from "../src/feed-disk.js"
import { Introspector } from "../src/introspection.js"
import { Verifier, type VerifierOptions } from "../src/verifier.js"
import { AUDIENCE, CLIENT, Issuer, until } from "./issuer.js"

let issuer: Issuer
let open: Feed[] = []
before(async () => {
  issuer = await Issuer.start()
})
after(() => issuer.stop())
afterEach(async () => {
  issuer.isCut = issuer.isSilent = false
  issuer.active = true
  await Promise.all(open.map(feed => feed.close()))
  open = []
})

function follow(settings: FeedSettings = {}): Feed {
  const feed = new Feed(issuer.issuer, { ...CLIENT, ...settings })
  open.push(feed)
  return feed
}

function verifierOf(feed: Feed, options: VerifierOptions = {}): Verifier {
  return new Verifier(issuer.issuer, AUDIENCE, { feed, ...options })
}

function isRefusal(error: unknown, code: string): boolean {
  return error instanceof TokenError && error.code === code
}

async function isRevoked(by: Verifier, token: string): Promise<boolean> {
  try {
    await by.verify(token)
    return false
  } catch (error) {
    if (isRefusal(error, "revoked")) return true
    throw error
  }
}

async function refusedWith(by: Promise<unknown>, words: RegExp): Promise<void> {
  await assert.rejects(by, (error: unknown) => isRefusal(error, "revoked") && words.test((error as Error).message))
}

test("what is revoked is refused at once, remembered tokens too, and acknowledged (S18)", async () => {
  const feed = follow(), by = verifierOf(feed), now = Math.floor(Date.now() / 1000)
  const cases: [string, string, Record<string, unknown>, Record<string, unknown>][] = [
    ["token", "jti_1", { jti: "jti_1" }, {}],
    ["grant", "grt_1", { grant: "grt_1" }, {}],
    ["session", "ses_1", { sid: "ses_1" }, {}],
    ["person", "usr_7", { sub: "usr_7" }, { not_before: now }],
    ["client", "cli_7", { client_id: "cli_7" }, { not_before: now }],
    ["facts", "usr_8", { sub: "usr_8" }, { facts: { suspended: true } }],
  ]
  for (const [kind, subject, claims, more] of cases) {
    const token = await issuer.mint({ iat: now, ...claims })
    assert.equal(await isRevoked(by, token), false, kind)
    const began = performance.now()
    await issuer.append(kind, subject, more)
    await until(() => isRevoked(by, token), 1000)
    assert.ok(performance.now() - began < 1000, kind)
  }
  await issuer.append("facts", "usr_8", { facts: { suspended: false } })
  const token = await issuer.mint({ iat: now, sub: "usr_8" })
  await until(async () => !(await isRevoked(by, token)), 1000)
  await until(() => issuer.acked.at(-1) === issuer.lines.length)
})

test("a person's tokens of the second after not-before are good", async () => {
  const feed = follow(), by = verifierOf(feed), second = Math.floor(Date.now() / 1000)
  await issuer.append("person", "usr_5", { not_before: second })
  await feed.waitReady(5)
  await refusedWith(by.verify(await issuer.mint({ sub: "usr_5", iat: second })), /person's earlier/)
  assert.ok(await by.verify(await issuer.mint({ sub: "usr_5", iat: second + 1 })))
})

test("newer facts stand in the place of the token's own", async () => {
  const feed = follow(), by = verifierOf(feed), iat = Math.floor(Date.now() / 1000) - 5
  await issuer.append("facts", "ses_9", { facts: { risk: 85, acr: "urn:ostiary:aal1" } })
  await feed.waitReady(5)
  const old = await by.verify(await issuer.mint({ iat, sid: "ses_9", risk: 3, acr: "urn:ostiary:aal2" }))
  assert.deepEqual([old.risk, old.acr, old.claims["risk"]], [85, "urn:ostiary:aal1", 3])
  const later = await by.verify(await issuer.mint({ iat: iat + 9, sid: "ses_9", risk: 3 }))
  assert.equal(later.risk, 3)
})

test("a withdrawn key is refused at once, and its successor is asked for without a cool-down (S39)", async () => {
  const feed = follow(), by = verifierOf(feed)
  await issuer.addKey("old", "ES256")
  const token = await issuer.mint({}, {}, "old")
  assert.ok(await by.verify(token))
  await issuer.addKey("new", "ES256")
  issuer.removeKey("old")
  await issuer.append("key", "old")
  await until(() => isRevoked(by, token).catch(error => isRefusal(error, "unknown_key")), 1000)
  assert.ok(await by.verify(await issuer.mint({}, {}, "new")))
})

test("heads may be signed by a key that is published a moment later", { timeout: 60_000 }, async () => {
  const logged: string[] = []
  const feed = follow({ log: words => logged.push(words), keyPolicy: { cooldownS: 1 } }), by = verifierOf(feed)
  await issuer.addKey("next", "ES256")
  issuer.hidden.add("next")
  await feed.waitReady(5)
  try {
    issuer.headKey = "next"
    const asked = issuer.asked.get("/jwks") ?? 0
    await until(() => (issuer.asked.get("/jwks") ?? 0) > asked)
    await until(() => logged.some(words => words.includes("a key that the issuer publishes")))
    issuer.hidden.delete("next")
    const token = await issuer.mint({ grant: "grt_6" })
    await issuer.append("grant", "grt_6")
    await until(() => feed.position.seq === issuer.lines.length && feed.state() === "fresh", 30_000)
    assert.ok(await isRevoked(by, token))
  } finally {
    issuer.headKey = "k1"
  }
})

test("after a break everything that was missed is known", async () => {
  const feed = follow(), by = verifierOf(feed), token = await issuer.mint({ grant: "grt_2" })
  assert.ok(await by.verify(token))
  await until(() => issuer.streams === 1)
  issuer.isSilent = true
  issuer.hangUp()
  await issuer.append("grant", "grt_2")
  issuer.isSilent = false
  await until(() => isRevoked(by, token), 3000)
})

test("a new epoch is loaded whole: what was revoked before it is forgotten", async () => {
  const feed = follow(), by = verifierOf(feed), token = await issuer.mint({ grant: "grt_3" })
  await issuer.append("grant", "grt_3")
  await feed.waitReady(5)
  await until(() => isRevoked(by, token), 1000)
  issuer.beginAgain()
  await until(async () => feed.position.epoch === issuer.epoch && !(await isRevoked(by, token)))
  await issuer.append("grant", "grt_3")
  await until(() => isRevoked(by, token), 1000)
})

test("a log that was set back in its epoch is loaded whole", async () => {
  const feed = follow()
  await issuer.append("grant", "grt_4")
  await issuer.append("grant", "grt_5")
  await feed.waitReady(5)
  await until(() => feed.position.seq === issuer.lines.length)
  issuer.lines = issuer.lines.slice(0, 1)
  await until(() => feed.position.seq === 1)
  assert.deepEqual(feed.revocations.lines(), issuer.lines)
})

test("another line under the same number breaks the chain, and the snapshot mends it", async () => {
  const feed = follow()
  await feed.waitReady(5)
  await issuer.append("token", "jti_20")
  await until(() => feed.position.seq === issuer.lines.length)
  issuer.lines = issuer.lines.with(-1, (issuer.lines.at(-1) ?? "").replace("jti_20", "jti_21"))
  await until(() => feed.revocations.lines().at(-1) === issuer.lines.at(-1))
})

test("where streams bring nothing the delta is asked instead", { timeout: 60_000 }, async () => {
  issuer.isSilent = true
  const feed = follow()
  await feed.waitReady(5)
  await issuer.append("token", "jti_30")
  await until(() => feed.position.seq === issuer.lines.length, 30_000)
  await until(() => feed.state() === "fresh")
})

test("cut off: sensitive routes ask or say 503, ordinary ones go on for a minute, low ones to the end", async () => {
  let shift = 0
  const feed = follow({ monotonic: () => performance.now() / 1000 + shift })
  const introspector = new Introspector(issuer.issuer, CLIENT)
  const alone = verifierOf(feed), asking = verifierOf(feed, { introspector })
  const low = verifierOf(feed, { failurePolicy: { lowRunsToExp: true } })
  const token = await issuer.mint(), other = await issuer.mint()
  const asked = (): number => issuer.asked.get("/introspect") ?? 0
  assert.ok(await alone.verify(token, { sensitivity: "sensitive" }))
  issuer.isCut = true
  issuer.hangUp()

  shift = 6
  assert.equal(feed.state(), "stale")
  await assert.rejects(alone.verify(token, { sensitivity: "sensitive" }), FeedUnavailable)
  assert.ok(await alone.verify(token))
  const before = asked()
  assert.ok(await asking.verify(token, { sensitivity: "sensitive" }))
  assert.equal(asked(), before + 1)
  issuer.active = false
  assert.ok(await asking.verify(other), "an ordinary route asks behind")
  await until(() => isRevoked(asking, other), 2000)

  shift = 61
  issuer.active = undefined
  assert.equal(feed.state(), "lost")
  const late = await issuer.mint()
  for (const by of [alone, asking]) await assert.rejects(by.verify(late), FeedUnavailable)
  assert.ok(await low.verify(late, { sensitivity: "low" }))
  await assert.rejects(alone.verify(late, { sensitivity: "low" }), FeedUnavailable)
  issuer.active = false
  // After a failure the issuer is left alone for a moment.
  await until(() => asking.verify(late).then(() => true, error => !(error instanceof FeedUnavailable)))
  await refusedWith(asking.verify(late), /the issuer says/)

  shift = 0
  issuer.isCut = false
  await until(() => feed.state() === "fresh", 8000)
  assert.ok(await alone.verify(late, { sensitivity: "sensitive" }))
})

test("a process that never heard of the feed says 503 after a short wait, and never a silent yes (I6)", async () => {
  issuer.isCut = true
  const by = verifierOf(follow()), token = await issuer.mint()
  const began = performance.now()
  await assert.rejects(by.verify(token), FeedUnavailable)
  assert.ok(performance.now() - began > 2000)
  const again = performance.now()
  await assert.rejects(by.verify(token), FeedUnavailable)
  assert.ok(performance.now() - again < 1000, "only the first requests wait")
})

test("a snapshot with a line that its head does not cover is not believed", async () => {
  const feed = follow(), logged: string[] = []
  const other = follow({ fetch: forging, log: words => logged.push(words) })
  await feed.waitReady(5)
  assert.equal(await other.waitReady(1), false)
  assert.ok(logged.some(words => words.includes("the snapshot is not the one that its head is about")), logged.join())
  assert.ok(feed.isReady)
})

/** Adds a line to every snapshot. */
async function forging(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init)
  if (!url.endsWith("/snapshot")) return response
  const body = `${await response.text()}{"seq":9,"kind":"token","subject":"x","at":1,"expires":2}\n`
  return new Response(body, { headers: { "content-type": "application/x-ndjson" } })
}

test("what was known is known again after a cold start, and a head is awaited before it counts as known", async () => {
  const folder = await mkdtemp(join(tmpdir(), "ostiary-feed-"))
  try {
    await issuer.append("grant", "grt_40")
    const first = follow({ folder })
    await first.waitReady(5)
    await until(() => first.position.seq === issuer.lines.length)
    await first.close()
    const { path } = new FeedDisk(folder, issuer.issuer)
    assert.equal((await stat(path)).mode & 0o777, 0o600)

    const snapshots = issuer.asked.get("/feed/v1/snapshot")
    await issuer.append("grant", "grt_41")
    const second = follow({ folder })
    await second.waitReady(5)
    await until(() => second.position.seq === issuer.lines.length)
    assert.equal(issuer.asked.get("/feed/v1/snapshot"), snapshots, "the stream goes on from what was stored")
    await second.close()

    issuer.isCut = true
    const third = follow({ folder }), low = verifierOf(third, { failurePolicy: { lowRunsToExp: true } })
    await refusedWith(low.verify(await issuer.mint({ grant: "grt_41" }), { sensitivity: "low" }), /grant/)
    assert.ok(await low.verify(await issuer.mint(), { sensitivity: "low" }))
    assert.deepEqual([third.state(), third.isReady], ["lost", false])

    const logged: string[] = [], log = (words: string): unknown => logged.push(words)
    await writeFile(path, (await readFile(path, "utf8")).replace("grt_41", "grt_42"))
    assert.equal(await follow({ folder, log }).waitReady(0.2), false)
    await chmod(path, 0o666)
    assert.equal(await follow({ folder, log }).waitReady(0.2), false)
    assert.deepEqual(logged.map(words => /not whole|others may write/.exec(words)?.[0]), ["not whole", "others may write"])
  } finally {
    await rm(folder, { recursive: true })
  }
})

test("wrong settings are refused at construction", () => {
  assert.throws(() => follow({ follower: "a b" }), ConfigurationError)
  assert.throws(() => new Feed(issuer.issuer, { clientId: "", clientSecret: "x" }), ConfigurationError)
  assert.throws(() => new Feed("ftp://x", CLIENT), ConfigurationError)
  const feed = follow()
  assert.throws(() => new Verifier("https://other.example.com", AUDIENCE, { feed }), ConfigurationError)
  assert.throws(() => verifierOf(feed, { failurePolicy: { freshForS: 1 } }), ConfigurationError)
  assert.throws(() => verifierOf(feed, { failurePolicy: { introspectionBelievedS: 6 } }), ConfigurationError)
})
