/** The issuer's own word is believed for a second, an older yes never undoes a newer no, and silence is no yes. */

import assert from "node:assert/strict"
import type { ServerResponse } from "node:http"
import { after, afterEach, before, test } from "node:test"
import { ConfigurationError, IntrospectionUnavailable } from "../src/errors.js"
import { Answers } from "../src/introspected.js"
import { Introspector } from "../src/introspection.js"
import { parseFailurePolicy } from "../src/policy.js"
import { CLIENT, Issuer, until } from "./issuer.js"

let issuer: Issuer
/** Questions that wait for their answer, in the order in which they came. */
let held: ServerResponse[] = []
before(async () => {
  issuer = await Issuer.start()
})
after(() => issuer.stop())
afterEach(() => {
  issuer.answers.clear()
  issuer.active = true
  held = []
})

const asked = (): number => issuer.asked.get("/introspect") ?? 0

function hold(): void {
  issuer.answers.set("introspect", response => held.push(response))
}

function answer(place: number, active: boolean): void {
  held[place]?.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ active }))
}

/** An introspector whose clock stands still but for `shift`. */
function still(): { introspector: Introspector; shift: (seconds: number) => void } {
  let now = 1000
  const introspector = new Introspector(issuer.issuer, { ...CLIENT, monotonic: () => now })
  return { introspector, shift: seconds => void (now += seconds) }
}

test("an answer is believed for a second at most, and asked for once however many want it", async () => {
  const { introspector, shift } = still(), before = asked()
  assert.deepEqual(await Promise.all([1, 2, 3].map(() => introspector.introspect("t1"))), [true, true, true])
  shift(0.99)
  issuer.active = false
  assert.equal(await introspector.introspect("t1"), true)
  assert.equal(asked(), before + 1)
  shift(0.01)
  assert.equal(await introspector.introspect("t1"), false)
  assert.equal(asked(), before + 2)
})

test("who asks a second later does not wait for what is long on its way, and its yes does not undo the newer no", async () => {
  const { introspector, shift } = still()
  hold()
  const first = introspector.introspect("t2")
  await until(() => held.length === 1)
  shift(0.5)
  const beside = introspector.introspect("t2")
  shift(0.5)
  const second = introspector.introspect("t2")
  await until(() => held.length === 2)
  answer(1, false)
  assert.equal(await second, false)
  answer(0, true)
  assert.deepEqual([await first, await beside], [true, true])
  assert.equal(await introspector.introspect("t2"), false, "the later question counts")
  assert.equal(held.length, 2)
})

test("after a failure the issuer is left alone for a moment, and everybody hears so at once", async () => {
  const { introspector, shift } = still()
  issuer.active = undefined
  await assert.rejects(introspector.introspect("t3"), IntrospectionUnavailable)
  const before = asked()
  issuer.active = true
  await assert.rejects(introspector.introspect("t4"), IntrospectionUnavailable)
  assert.equal(asked(), before)
  shift(0.2)
  assert.equal(await introspector.introspect("t4"), true)
})

test("Retry-After is obeyed up to five seconds", async () => {
  const { introspector, shift } = still()
  issuer.answers.set("introspect", response => response.writeHead(503, { "retry-after": "30" }).end("{}"))
  await assert.rejects(introspector.introspect("t5"), (error: unknown) =>
    error instanceof IntrospectionUnavailable && error.retryAfterS === 30)
  issuer.answers.clear()
  shift(4.9)
  await assert.rejects(introspector.introspect("t5"), IntrospectionUnavailable)
  // Up to half as long again, by chance.
  shift(2.6)
  assert.equal(await introspector.introspect("t5"), true)
})

test("questions take turns, and each has its time whether it had its turn or not", async () => {
  const introspector = new Introspector(issuer.issuer, { ...CLIENT, mostAtOnce: 2, timeoutS: 0.5 })
  hold()
  const all = Promise.allSettled(["a", "b", "c"].map(name => introspector.introspect(name)))
  await until(() => held.length === 2)
  answer(0, true)
  await until(() => held.length === 3)
  const outcomes = (await all).map(each => each.status)
  assert.deepEqual(outcomes, ["fulfilled", "rejected", "rejected"])
})

test("an answer that does not say, and text that is no token, are no yes", async () => {
  const { introspector } = still()
  issuer.answers.set("introspect", response => response.writeHead(200).end('{"active":"true"}'))
  await assert.rejects(introspector.introspect("t6"), /cannot be asked/)
  const before = asked()
  assert.equal(await introspector.introspect("a b"), false)
  assert.equal(asked(), before)
  for (const wrong of [{ believedS: 2 }, { timeoutS: 0 }, { timeoutS: 61 }, { mostAtOnce: 0 }]) {
    assert.throws(() => new Introspector(issuer.issuer, { ...CLIENT, ...wrong }), ConfigurationError)
  }
})

test("a no holds until the token ends, whatever older yes comes after it; a yes as long as the policy says", () => {
  const answers = new Answers(parseFailurePolicy({ introspectionBelievedS: 3 }))
  answers.record("j1", true, 10, 5000, 100)
  assert.deepEqual([answers.isBelieved("j1", 11.9), answers.isBelieved("j1", 12)], [true, false])
  answers.record("j1", false, 11, 5000, 100)
  answers.record("j1", true, 10, 5000, 100)
  assert.ok(answers.isRefused("j1"))
  for (let n = 0; n < 70_000; n++) answers.record(`old${n}`, false, 1, n < 66_000 ? 50 : 5000, 100)
  assert.ok(answers.isRefused("j1"), "what has ended makes room first")
})

test("behind requests one question a token is asked, few at once, and none for a moment after a failure", () => {
  const answers = new Answers(parseFailurePolicy({ introspectionsBehind: 2 }))
  assert.deepEqual(["a", "a", "b", "c"].map(jti => answers.begin(jti, 1)), [true, false, true, false])
  answers.end("a")
  answers.recordFailure(1)
  assert.deepEqual([answers.begin("c", 1.9), answers.begin("c", 2)], [false, true])
})
