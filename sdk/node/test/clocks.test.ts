/** A machine that slept must not wake with yesterday's knowledge: what ages, ages by a clock that goes on (I2). */

import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { clockAwake } from "../src/clocks.js"
import { FeedUnavailable } from "../src/errors.js"
import { Feed } from "../src/feed.js"
import { parseSurroundings } from "../src/options.js"
import { Verifier } from "../src/verifier.js"
import { AUDIENCE, CLIENT, Issuer } from "./issuer.js"

/** Three clocks that a test moves. */
class Machine {
  mono = 100
  wall = 1_795_392_000
  boot = 500
  readonly read = clockAwake({ monotonic: () => this.mono, wall: () => this.wall, sinceBoot: () => this.boot })

  pass(seconds: number): void {
    this.mono += seconds
    this.wall += seconds
    this.boot += seconds
  }

  /** The monotonic clock stands still, and perhaps the time since boot does where a system counts it otherwise. */
  sleep(seconds: number, counted = true): void {
    this.wall += seconds
    if (counted) this.boot += seconds
  }
}

/** By how much the clock goes on while something happens. */
function elapsed(machine: Machine, happens: () => void): number {
  const before = machine.read()
  happens()
  return Math.round((machine.read() - before) * 1000) / 1000
}

test("awake it is the monotonic clock", () => {
  const machine = new Machine()
  assert.equal(elapsed(machine, () => machine.pass(0.01)), 0.01)
  assert.equal(elapsed(machine, () => machine.pass(3600)), 3600)
})

test("a night asleep counts, by whichever clock tells of it", () => {
  for (const counted of [true, false]) {
    const machine = new Machine()
    assert.equal(elapsed(machine, () => machine.sleep(28_800, counted)), 28_800)
    assert.equal(elapsed(machine, () => machine.pass(1)), 1, "once")
  }
})

test("a wall clock set back makes nothing younger, and hides no sleep", () => {
  const machine = new Machine()
  assert.equal(elapsed(machine, () => (machine.wall -= 86_400)), 0)
  assert.equal(elapsed(machine, () => machine.pass(2)), 2)
  const hidden = elapsed(machine, () => {
    machine.sleep(600)
    machine.wall -= 86_400
  })
  assert.equal(hidden, 600)
  const equal = elapsed(machine, () => {
    machine.sleep(600)
    machine.wall -= 600
    machine.pass(0.3)
  })
  assert.equal(equal, 600.3)
})

test("a wall clock set forward makes knowledge older, and never younger again when it is set right", () => {
  const machine = new Machine()
  assert.equal(elapsed(machine, () => (machine.wall += 3600)), 3600)
  assert.equal(elapsed(machine, () => (machine.wall -= 3600)), 0)
  assert.equal(elapsed(machine, () => machine.pass(5)), 5)
})

test("clocks that tell whole seconds, or drift, add nothing", () => {
  const machine = new Machine()
  const begin = machine.read()
  for (let n = 0; n < 10_000; n++) {
    machine.pass(0.1)
    machine.wall += 0.0001
    const exact = machine.boot
    machine.boot = Math.floor(exact)
    machine.read()
    machine.boot = exact
  }
  assert.ok(Math.abs(machine.read() - begin - 1000) < 0.001)
})

test("the clocks of this machine agree", async () => {
  const { monotonic } = parseSurroundings({}), before = monotonic(), began = performance.now()
  await new Promise(resolve => setTimeout(resolve, 600))
  assert.ok(Math.abs(monotonic() - before - (performance.now() - began) / 1000) < 0.05)
})

let issuer: Issuer
before(async () => {
  issuer = await Issuer.start()
})
after(() => issuer.stop())

test("a process that slept and woke is not fresh until it has heard a head", async () => {
  const machine = new Machine(), began = performance.now() / 1000
  const awake = (): number => {
    machine.pass(performance.now() / 1000 - began + 100 - machine.mono)
    return machine.read()
  }
  const feed = new Feed(issuer.issuer, { ...CLIENT, monotonic: awake })
  const verifier = new Verifier(issuer.issuer, AUDIENCE, { feed }), token = await issuer.mint()
  try {
    assert.ok(await feed.waitReady(5))
    assert.ok(await verifier.verify(token))
    issuer.isCut = true
    issuer.hangUp()
    machine.sleep(3600)
    assert.equal(feed.state(), "lost")
    await assert.rejects(verifier.verify(token), FeedUnavailable)
  } finally {
    issuer.isCut = false
    await feed.close()
  }
})
