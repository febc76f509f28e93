/** This program's own token: asked for once, renewed behind, and an issuer in trouble is left alone. */

import assert from "node:assert/strict"
import type { ServerResponse } from "node:http"
import { after, afterEach, before, test } from "node:test"
import { ClientToken } from "../src/client-token.js"
import { Endpoints } from "../src/endpoints.js"
import { FetchError } from "../src/errors.js"
import { CLIENT, Issuer, until } from "./issuer.js"

let issuer: Issuer
let now = 1000
let answers: ServerResponse[] = []
before(async () => {
  issuer = await Issuer.start()
})
after(() => issuer.stop())
afterEach(() => {
  issuer.answers.clear()
  answers = []
})

function make(): ClientToken {
  const monotonic = (): number => now
  const endpoints = new Endpoints(issuer.issuer, CLIENT, (url, init) => fetch(url, init), monotonic)
  return new ClientToken(endpoints, {}, monotonic)
}

/** The token endpoint answers when the test says what. */
function hold(): void {
  issuer.answers.set("token", response => answers.push(response))
}

async function give(said: object, status = 200, headers: Record<string, string> = {}): Promise<void> {
  await until(() => answers.length > 0)
  answers.shift()?.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(said))
}

const token = (name: string, more: object = {}): object =>
  ({ access_token: name, token_type: "Bearer", expires_in: 100, ...more })

test("one request for all who ask, and a renewal behind them at 80 % of its life", async () => {
  hold()
  const own = make(), all = Promise.all([1, 2, 3].map(() => own.load()))
  await give(token("one"))
  assert.deepEqual(await all, ["one", "one", "one"])
  now += 80
  assert.equal(await own.load(), "one", "nobody waits for the new one")
  await give(token("two"))
  await until(async () => (await own.load()) === "two")
  now += 95
  const late = own.load()
  await give(token("three"))
  assert.equal(await late, "three", "in its last seconds it is used no more")
  assert.equal(answers.length, 0)
})

test("a server that fails is left alone for a while, and keeps nobody from a token that is still good", async () => {
  hold()
  const own = make(), first = own.load()
  await give(token("one"))
  await first
  now += 80
  assert.equal(await own.load(), "one")
  await give({}, 503, { "retry-after": "10" })
  await new Promise(resolve => setTimeout(resolve, 50))
  now += 9.9
  assert.equal(await own.load(), "one")
  assert.equal(answers.length, 0)
  now += 5.1
  const last = own.load()
  await give({}, 503)
  await assert.rejects(last, (error: unknown) => error instanceof FetchError && error.retryAfterS > 0)
})

test("a refused token is dropped once in five seconds", async () => {
  hold()
  const own = make(), first = own.load()
  await give(token("one"))
  await first
  own.drop("another")
  assert.equal(await own.load(), "one")
  own.drop("one")
  const second = own.load()
  await give(token("two"))
  assert.equal(await second, "two")
  own.drop("two")
  assert.equal(await own.load(), "two")
  now += 5
  own.drop("two")
  const third = own.load()
  await give(token("three"))
  assert.equal(await third, "three")
})

test("an answer without a token that can be sent is none", async () => {
  const wrong = [token("a b"), token("a\r\nb"), token("ok", { token_type: "mac" }), token("ok", { expires_in: 0 }), {}]
  for (const said of wrong) {
    hold()
    const failing = assert.rejects(make().load(), FetchError)
    await give(said)
    await failing
  }
})
