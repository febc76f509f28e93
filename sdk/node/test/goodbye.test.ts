/** A feed that is closed says goodbye, so that the server waits for nobody who is gone; and nothing is accepted then. */

import assert from "node:assert/strict"
import { after, before, beforeEach, test } from "node:test"
import { Feed } from "../src/feed.js"
import { CLIENT, Issuer, until } from "./issuer.js"

let issuer: Issuer
before(async () => {
  issuer = await Issuer.start()
})
after(() => issuer.stop())
beforeEach(() => {
  issuer.followers.clear()
  issuer.left.length = issuer.acked.length = 0
})

test("a feed that is closed says goodbye once, by its name, and accepts nothing more", async () => {
  const feed = new Feed(issuer.issuer, CLIENT)
  assert.ok(await feed.waitReady(5))
  await until(() => issuer.acked.length === 1)
  assert.deepEqual(issuer.left, [])
  const closing = feed.close()
  assert.equal(feed.state(), "lost")
  await closing
  await feed.close()
  assert.deepEqual(issuer.left, [...issuer.followers])
  assert.equal(feed.state(), "lost")
})

test("two feeds have two names, and a wished one is taken as it is", async () => {
  for (const feed of [new Feed(issuer.issuer, CLIENT), new Feed(issuer.issuer, CLIENT)]) {
    assert.ok(await feed.waitReady(5))
    await feed.close()
  }
  assert.equal(new Set(issuer.left).size, 2)
  assert.ok(issuer.left.every(name => new RegExp(`-${process.pid}-[0-9a-f]{6}$`).test(name) && name.length <= 64))
  const feed = new Feed(issuer.issuer, { ...CLIENT, follower: "orders-1" })
  assert.ok(await feed.waitReady(5))
  await feed.close()
  assert.equal(issuer.left.at(-1), "orders-1")
})

test("a server that does not answer keeps no program from ending", async () => {
  const feed = new Feed(issuer.issuer, CLIENT)
  assert.ok(await feed.waitReady(5))
  issuer.isCut = true
  const began = performance.now()
  await feed.close()
  assert.ok(performance.now() - began < 2500)
  issuer.isCut = false
  assert.deepEqual(issuer.left, [])
})
