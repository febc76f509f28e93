/** The verifier proves what the issuer signed for us, and nothing else (S36, S37, S38, S39). */

import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { ConfigurationError, InsufficientAuthentication, KeysUnavailable, TokenError } from "../src/errors.js"
import { LeastRecent } from "../src/token-cache.js"
import { hasScopes } from "../src/values.js"
import { Verifier, type VerifierOptions } from "../src/verifier.js"
import { AUDIENCE, Issuer } from "./issuer.js"

let issuer: Issuer
before(async () => {
  issuer = await Issuer.start()
})
after(() => issuer.stop())

const verifier = (options: VerifierOptions = {}): Verifier => new Verifier(issuer.issuer, AUDIENCE, options)
const now = (): number => Math.floor(Date.now() / 1000)

async function refused(token: string, code: string, by: Verifier = verifier()): Promise<void> {
  await assert.rejects(by.verify(token), error => {
    assert.ok(error instanceof TokenError, String(error))
    assert.equal(error.code, code)
    return true
  })
}

test("a good token is proven, and its claims are typed and frozen", async () => {
  const text = await issuer.mint({ auth_time: now(), amr: ["pwd"], grant: "grt_1", risk: 7, deep: { a: [1] } })
  const token = await verifier().verify(text)
  assert.deepEqual([token.sub, token.aud, token.clientId, token.amr], ["usr_1", [AUDIENCE], "cli_9", ["pwd"]])
  assert.deepEqual([token.grant, token.sid, token.risk], ["grt_1", undefined, 7])
  assert.ok(hasScopes(token, "orders:read", "orders:write") && !hasScopes(token, "orders:delete"))
  assert.throws(() => Object.assign(token.claims["deep"] as object, { b: 1 }), TypeError)
})

test("who acts is read, the current actor first, and an actor that cannot be read refuses the token", async () => {
  const act = { sub: "cli_2", act: { sub: "cli_1" } }
  const token = await verifier().verify(await issuer.mint({ act, azp: "cli_app" }))
  assert.deepEqual([token.actors, token.azp], [["cli_2", "cli_1"], "cli_app"])
  for (const bad of ["cli_1", {}, { sub: 1 }, { sub: "a", act: null }, ["a"], null]) {
    await assert.rejects(verifier().verify(await issuer.mint({ act: bad })), { name: "TokenError" })
  }
  const endless = Array.from({ length: 17 }).reduce<unknown>(within => ({ sub: "cli", act: within }), { sub: "cli" })
  await refused(await issuer.mint({ act: endless }), "invalid_claim")
})

for (const alg of ["RS256", "PS256", "Ed25519", "ES384", "ES512"]) {
  test(`${alg} is proven where the program allows it, and refused where not (S36)`, async () => {
    await issuer.addKey(alg, alg)
    const text = await issuer.mint({}, {}, alg)
    assert.equal((await verifier({ algorithms: [alg] }).verify(text)).sub, "usr_1")
    await refused(text, "wrong_algorithm")
  })
}

test("headers that S36 and S37 forbid are refused before any key is asked for", async () => {
  const asked = issuer.asked.get("/jwks") ?? 0
  const cases: [Record<string, unknown>, string][] = [
    [{ typ: "JWT" }, "wrong_type"],
    [{ typ: undefined }, "wrong_type"],
    [{ jwk: issuer.published[0] }, "key_in_header"],
    [{ jku: "https://evil.example" }, "key_in_header"],
    [{ x5c: ["x"] }, "key_in_header"],
    [{ kid: undefined }, "malformed"],
    [{ kid: "k".repeat(257) }, "malformed"],
  ]
  for (const [header, code] of cases) await refused(await issuer.mint({}, header), code)
  const text = await issuer.mint()
  const forged = (header: object): string =>
    [Buffer.from(JSON.stringify(header)).toString("base64url"), ...text.split(".").slice(1)].join(".")
  await refused(forged({ alg: "none", typ: "at+jwt", kid: "k1" }), "wrong_algorithm")
  await refused(forged({ alg: "HS256", typ: "at+jwt", kid: "k1" }), "wrong_algorithm")
  await refused(forged({ alg: "ES256", typ: "at+jwt", kid: "k1", crit: ["x"], x: 1 }), "critical_header")
  assert.equal(issuer.asked.get("/jwks") ?? 0, asked)
})

test("each required claim must be there, of its type, and ours (S37)", async () => {
  for (const name of ["iss", "aud", "exp", "iat", "sub", "jti", "client_id"]) {
    await refused(await issuer.mint({ [name]: undefined }), "missing_claim")
    await refused(await issuer.mint({ [name]: true }), "invalid_claim")
  }
  await refused(await issuer.mint({ iss: `${issuer.issuer}/` }), "wrong_issuer")
  await refused(await issuer.mint({ aud: [`${AUDIENCE}/`] }), "wrong_audience")
  await refused(await issuer.mint({ exp: 1.5 }), "invalid_claim")
  await refused(await issuer.mint({ cnf: { jkt: "x" } }), "proof_required")
  await refused(await issuer.mint({ risk: 101 }), "invalid_claim")
  const bound = await verifier({ acceptsBound: true }).verify(await issuer.mint({ cnf: { jkt: "x" } }))
  assert.equal(bound.cnf?.["jkt"], "x")
})

test("times are exact to the leeway", async () => {
  const at = 1_800_000_000
  const mint = (claims: object): Promise<string> => issuer.mint({ iat: at, exp: at + 60, ...claims })
  const when = (clock: number): Verifier => verifier({ clock: () => clock, leewayS: 10, tokenCacheSize: 0 })
  const text = await mint({})
  assert.ok(await when(at + 69.9).verify(text))
  await refused(text, "expired", when(at + 70))
  assert.ok(await when(at - 10).verify(text))
  await refused(text, "not_yet_valid", when(at - 10.1))
  await refused(await mint({ nbf: at + 30 }), "not_yet_valid", when(at))
})

test("one letter changed anywhere is another token (S16)", async () => {
  const text = await issuer.mint(), by = verifier()
  for (let place = 0; place < text.length; place += 7) {
    const changed = text.slice(0, place) + (text[place] === "A" ? "B" : "A") + text.slice(place + 1)
    if (changed !== text) await assert.rejects(by.verify(changed), TokenError)
  }
  const decorated = [`${text}=`, ` ${text}`, `${text}\n`, `${text}.`, text.replace(".", "..")]
  for (const each of decorated) await refused(each, "malformed", by)
  // The last letter of 64 bytes carries four bits that mean nothing: another spelling of the same signature.
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
  const other = letters[letters.indexOf(text.at(-1) ?? "") + 1] ?? ""
  assert.deepEqual(Buffer.from(text.slice(-86), "base64url"), Buffer.from(text.slice(-86, -1) + other, "base64url"))
  await refused(text.slice(0, -1) + other, "malformed", by)
})

test("what is large, deep or doubled is refused cheaply (S38)", async () => {
  await refused("a".repeat(1_000_000), "too_large")
  await refused(await issuer.sign(`{"a":${"[".repeat(5000)}${"]".repeat(5000)}}`, { typ: "at+jwt" }), "malformed")
  const payload = JSON.stringify({ iss: issuer.issuer, aud: AUDIENCE, sub: "a" })
  await refused(await issuer.sign(`${payload.slice(0, -1)},"sub":"b"}`, { typ: "at+jwt" }), "malformed")
  await refused(await issuer.sign(`{"s\\u0075b":"a","sub":"b"}`, { typ: "at+jwt" }), "malformed")
  await refused(await issuer.sign("[]", { typ: "at+jwt" }), "malformed")
})

test("random key ids cause one request in thirty seconds (S37)", async () => {
  let clock = 1000
  const by = verifier({ monotonic: () => clock })
  await by.verify(await issuer.mint())
  const asked = issuer.asked.get("/jwks") ?? 0
  for (let n = 0; n < 50; n++) await refused(await issuer.mint({}, { kid: `x${n}` }), "unknown_key", by)
  assert.equal(issuer.asked.get("/jwks"), asked)
  clock += 31
  const others = await Promise.all(Array.from({ length: 20 }, (_, n) => issuer.mint({}, { kid: `y${n}` })))
  await Promise.all(others.map(token => refused(token, "unknown_key", by)))
  assert.equal(issuer.asked.get("/jwks"), asked + 1)
  clock += 31
  const [asker = ""] = others
  await refused(await issuer.mint({}, { kid: "z" }), "unknown_key", by)
  assert.equal(issuer.asked.get("/jwks"), asked + 2)
  clock += 31
  await refused(await issuer.mint({}, { kid: "z" }), "unknown_key", by)
  assert.equal(issuer.asked.get("/jwks"), asked + 2, "what the issuer did not know is not asked for again so soon")
  await refused(asker, "unknown_key", by)
})

test("a key id that was met during a cool-down is asked for after it", async () => {
  let clock = 1000
  const by = verifier({ monotonic: () => clock })
  await by.verify(await issuer.mint())
  await issuer.addKey("late", "ES256")
  const text = await issuer.mint({}, {}, "late")
  await refused(text, "unknown_key", by)
  clock += 31
  assert.ok(await by.verify(text))
})

test("keys are renewed behind at 80 % of their life, and kept for a day while the issuer is down", async () => {
  let clock = 1000
  const own = await Issuer.start()
  try {
    const by = new Verifier(own.issuer, AUDIENCE, { monotonic: () => clock, tokenCacheSize: 0 })
    const text = await own.mint({ exp: now() + 200_000 })
    await Promise.all(Array.from({ length: 20 }, () => by.verify(text)))
    assert.equal(own.asked.get("/jwks"), 1)
    clock += 241
    await by.verify(text)
    for (let n = 0; n < 100 && own.asked.get("/jwks") !== 2; n++) await new Promise(resolve => setTimeout(resolve, 10))
    assert.equal(own.asked.get("/jwks"), 2)
    // Asked is not yet answered.
    await new Promise(resolve => setTimeout(resolve, 100))
    own.keysStatus = 500
    clock += 86_000
    assert.ok(await by.verify(text))
    clock += 2000
    const isOurs = (error: unknown): boolean => error instanceof KeysUnavailable && error.retryAfterS >= 1
    await assert.rejects(by.verify(text), isOurs)
  } finally {
    await own.stop()
  }
})

test("a withdrawn key withdraws the tokens that are remembered (S39)", async () => {
  let clock = 1000
  await issuer.addKey("k2", "ES256")
  const by = verifier({ monotonic: () => clock, tokenCacheMaxAgeS: 1e6 })
  const text = await issuer.mint({}, {}, "k2")
  assert.ok(await by.verify(text))
  issuer.removeKey("k2")
  clock += 301
  await refused(text, "unknown_key", by)
})

test("another key under the same id proves nothing that the first one signed, remembered or not", async () => {
  let clock = 1000
  await issuer.addKey("k3", "ES256")
  const by = verifier({ monotonic: () => clock, tokenCacheMaxAgeS: 1e6 })
  const text = await issuer.mint({}, {}, "k3")
  assert.ok(await by.verify(text))
  issuer.removeKey("k3")
  await issuer.addKey("k3", "ES256")
  clock += 301
  await refused(text, "bad_signature", by)
})

test("the key's algorithm counts, whatever the header says (S36)", async () => {
  await issuer.addKey("rsa", "RS256")
  const by = verifier({ algorithms: ["ES256", "RS256", "PS256"] })
  await refused(await issuer.mint({}, { kid: "k1" }, "rsa"), "wrong_algorithm", by)
  const [head = "", ...rest] = (await issuer.mint({}, {}, "rsa")).split(".")
  const forged = Buffer.from(Buffer.from(head, "base64url").toString().replace("RS256", "PS256")).toString("base64url")
  await refused([forged, ...rest].join("."), "wrong_algorithm", by)
})

test("without the issuer nothing is known, and that is our trouble: 503 and never 401", async () => {
  const by = new Verifier("http://localhost:1", AUDIENCE)
  await assert.rejects(by.verify(await issuer.mint()), KeysUnavailable)
})

test("a sign-in that is too weak or too old is told what it needs (RFC 9470)", async () => {
  const by = verifier()
  const token = await by.verify(await issuer.mint({ acr: "urn:ostiary:aal1", auth_time: now() - 100 }))
  assert.equal(by.requireAuthentication(token, { acr: "urn:ostiary:aal1", maxAgeS: 100 }), token)
  for (const demand of [{ acr: ["urn:ostiary:aal2"] }, { maxAgeS: 60 }]) {
    assert.throws(() => by.requireAuthentication(token, demand), InsufficientAuthentication)
  }
})

test("while the issuer is away a remembered token needs no second proof, and keeps none too many", async () => {
  let clock = 1000
  const own = await Issuer.start()
  try {
    const by = new Verifier(own.issuer, AUDIENCE, { monotonic: () => clock, tokenCacheMaxAgeS: 1e6 })
    const text = await own.mint()
    const first = await by.verify(text)
    own.keysStatus = 500
    clock += 400
    const again = await by.verify(text)
    assert.equal(again, first)
  } finally {
    await own.stop()
  }
  const cache = new LeastRecent<number>(3)
  for (const name of ["a", "b", "c", "d"]) cache.keep(name, 1)
  cache.find("b")
  cache.keep("e", 1)
  assert.deepEqual(["a", "b", "c", "d", "e"].filter(name => cache.find(name) !== undefined), ["b", "d", "e"])
})

test("an issuer that is in trouble is not asked more often for strangers' key ids (S37)", async () => {
  let clock = 1000
  const own = await Issuer.start()
  try {
    const by = new Verifier(own.issuer, AUDIENCE, { monotonic: () => clock })
    const good = await own.mint(), asked = (): number => own.asked.get("/jwks") ?? 0
    await by.verify(good)
    own.keysStatus = 500
    clock += 31
    for (let n = 0; n < 29; n++) {
      await assert.rejects(by.verify(await own.mint({}, { kid: `s${n}` })), KeysUnavailable)
      clock += 1
    }
    assert.equal(asked(), 2)
  } finally {
    await own.stop()
  }
})

test("a key that is known makes nobody wait while the issuer is away", async () => {
  let clock = 1000
  const own = await Issuer.start()
  try {
    const by = new Verifier(own.issuer, AUDIENCE, { monotonic: () => clock, tokenCacheSize: 0 })
    const text = await own.mint({ exp: now() + 9000 })
    await by.verify(text)
    own.keysStatus = 500
    clock += 400
    await by.verify(text)
    own.answers.set("jwks", () => undefined)
    clock += 60
    const began = performance.now()
    assert.ok(await by.verify(text))
    assert.ok(performance.now() - began < 1000, "the refresh goes on behind")
  } finally {
    await own.stop()
  }
})

test("a fault in an address that nobody needs here harms nobody, and slow answers have one time together", async () => {
  const own = await Issuer.start()
  try {
    const metadata = { issuer: own.issuer, jwks_uri: `${own.issuer}/jwks`, token_endpoint: "https://elsewhere.example/" }
    own.answers.set("openid-configuration", response => response.end(JSON.stringify(metadata)))
    assert.ok(await new Verifier(own.issuer, AUDIENCE).verify(await own.mint()))
    for (const [name, said] of [["openid-configuration", metadata], ["jwks", { keys: own.published }]] as const) {
      own.answers.set(name, response => setTimeout(() => response.end(JSON.stringify(said)), 350))
    }
    const hurried = new Verifier(own.issuer, AUDIENCE, { keyPolicy: { timeoutS: 0.5 } }), began = performance.now()
    await assert.rejects(hurried.verify(await own.mint()), KeysUnavailable)
    assert.ok(performance.now() - began < 650)
  } finally {
    await own.stop()
  }
})

test("a header that changes what is signed is refused (RFC 7797)", async () => {
  await refused(await issuer.mint({}, { b64: true }), "critical_header")
})

test("tokens of giants are proven each time and never kept (S38)", async () => {
  const own = await Issuer.start()
  try {
    const by = new Verifier(own.issuer, AUDIENCE), giant = await own.mint({ padding: "x".repeat(4096) })
    assert.notEqual(await by.verify(giant), await by.verify(giant))
    const small = await own.mint()
    assert.equal(await by.verify(small), await by.verify(small))
  } finally {
    await own.stop()
  }
})

test("a wrong set-up is refused at construction", () => {
  const addresses = ["http://id.example.com", "https://id.example.com?x", "https://a@id.example.com", "", "https://a\t"]
  for (const address of addresses) {
    assert.throws(() => new Verifier(address, AUDIENCE), ConfigurationError, address)
  }
  const wrong = [{ algorithms: ["HS256"] }, { algorithms: [] }, { leewayS: 61 }, { tokenCacheSize: -1 }]
  for (const options of [...wrong, { keyPolicy: { cooldownS: 0 } }]) {
    assert.throws(() => new Verifier("https://id.example.com", AUDIENCE, options), ConfigurationError)
  }
  assert.throws(() => new Verifier("https://id.example.com", ""), ConfigurationError)
  for (const failurePolicy of [{}, { freshForS: 5 }]) {
    assert.throws(() => verifier({ failurePolicy }), /for a verifier with a feed/)
  }
})
