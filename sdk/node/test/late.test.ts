/** What a request gets while the feed is late: never a silent yes, and never 401 for our own trouble (I6). */

import assert from "node:assert/strict"
import { after, afterEach, before, beforeEach, test } from "node:test"
import { ConfigurationError, FeedUnavailable, TokenError } from "../src/errors.js"
import { Feed } from "../src/feed.js"
import { Introspector } from "../src/introspection.js"
import { parseFailurePolicy } from "../src/policy.js"
import { Verifier, type VerifierOptions } from "../src/verifier.js"
import { AUDIENCE, CLIENT, Issuer, until } from "./issuer.js"

let issuer: Issuer
let feed: Feed
let shift = 0
const monotonic = (): number => performance.now() / 1000 + shift
before(async () => {
  issuer = await Issuer.start()
})
after(() => issuer.stop())
beforeEach(async () => {
  shift = 0
  feed = new Feed(issuer.issuer, { ...CLIENT, monotonic })
  assert.ok(await feed.waitReady(5))
})
afterEach(async () => {
  issuer.answers.clear()
  issuer.isCut = false
  issuer.active = true
  await feed.close()
})

/** Nothing is heard any more, and so much time has passed since. */
function cutFor(seconds: number): void {
  issuer.isCut = true
  issuer.hangUp()
  shift = seconds
}

function asking(options: VerifierOptions = {}): Verifier {
  const introspector = new Introspector(issuer.issuer, CLIENT)
  return new Verifier(issuer.issuer, AUDIENCE, { feed, introspector, ...options })
}

const asked = (): number => issuer.asked.get("/introspect") ?? 0
const isRevoked = (error: unknown): boolean => error instanceof TokenError && error.code === "revoked"

test("behind requests one question a token is asked, however many requests bring it", async () => {
  const by = asking(), token = await issuer.mint(), before = asked()
  cutFor(6)
  issuer.answers.set("introspect", () => undefined)
  for (let n = 0; n < 20; n++) assert.ok(await by.verify(token))
  await until(() => asked() > before)
  assert.equal(asked(), before + 1)
})

test("a no that came behind a request holds, whatever the issuer says later", async () => {
  const by = asking(), token = await issuer.mint()
  cutFor(6)
  issuer.active = false
  assert.ok(await by.verify(token))
  await until(() => by.verify(token).then(() => false, isRevoked), 2000)
  issuer.active = true
  await assert.rejects(by.verify(token, { sensitivity: "sensitive" }), isRevoked)
  shift = 0
  await assert.rejects(by.verify(token), isRevoked)
})

test("a yes is believed as long as the policy says and the introspector's own second allows", async () => {
  const by = asking({ failurePolicy: { introspectionBelievedS: 4 }, monotonic })
  const token = await issuer.mint(), before = asked()
  cutFor(10)
  const sensitive = (): Promise<unknown> => by.verify(token, { sensitivity: "sensitive" })
  await sensitive()
  shift += 2.9
  await sensitive()
  assert.equal(asked(), before + 1)
  shift += 0.2
  // The introspector goes by its own clock, where no time has passed.
  await new Promise(resolve => setTimeout(resolve, 1000))
  await sensitive()
  assert.equal(asked(), before + 2)
})

test("an issuer that never answers is given up after the stated time, and is our own trouble", async () => {
  const by = asking({ failurePolicy: { introspectionTimeoutS: 0.3, retryAfterS: 7 } }), token = await issuer.mint()
  await by.verify(token)
  cutFor(61)
  issuer.answers.set("introspect", () => undefined)
  const began = performance.now()
  await assert.rejects(by.verify(token), (error: unknown) => error instanceof FeedUnavailable && error.retryAfterS === 7)
  assert.ok(performance.now() - began < 1000)
})

test("an answer that is neither yes nor no lets nobody in", async () => {
  const odd = { issuer: issuer.issuer, introspect: async () => "yes" } as unknown as Introspector
  const by = new Verifier(issuer.issuer, AUDIENCE, { feed, introspector: odd }), token = await issuer.mint()
  cutFor(61)
  await assert.rejects(by.verify(token), FeedUnavailable)
})

test("a token that ends while the issuer is asked is refused", async () => {
  let clock = Date.now() / 1000
  const slow = { issuer: issuer.issuer, introspect: async () => ((clock += 400), true) } as unknown as Introspector
  const by = new Verifier(issuer.issuer, AUDIENCE, { feed, introspector: slow, clock: () => clock })
  const token = await issuer.mint()
  cutFor(61)
  await assert.rejects(by.verify(token), (error: unknown) => error instanceof TokenError && error.code === "expired")
})

test("a sensitivity that does not exist is a mistake of the program, and no ordinary route", async () => {
  const token = await issuer.mint()
  await assert.rejects(asking().verify(token, { sensitivity: "Sensitive" as "sensitive" }), ConfigurationError)
  for (const wrong of [{ freshForS: "5" }, { lowRunsToExp: "no" }, { retryAfterS: 1.5 }, { lostAfterS: Infinity }]) {
    assert.throws(() => parseFailurePolicy(wrong as object), ConfigurationError)
  }
})
