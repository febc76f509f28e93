/** The guards of three frameworks answer alike, and as the Python SDK does (RFC 6750, RFC 9470, S12). */

import assert from "node:assert/strict"
import { once } from "node:events"
import { createServer, request, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { after, before, test } from "node:test"
import { serve } from "@hono/node-server"
import express from "express"
import fastify from "fastify"
import { Hono } from "hono"
import { NotGuarded } from "../src/errors.js"
import * as forExpress from "../src/express.js"
import * as forFastify from "../src/fastify.js"
import * as forHono from "../src/hono.js"
import { Verifier } from "../src/verifier.js"
import { AUDIENCE, Issuer, until } from "./issuer.js"

interface Served {
  readonly port: number
  stop(): unknown
}

const RULES = { scopes: ["orders:read"], realm: "orders" }
const METADATA = "https://orders.example.com/.well-known/oauth-protected-resource"
const STRONG = { acr: ["urn:ostiary:aal2", "phr"], maxAgeS: 300, realm: "orders", metadataUrl: METADATA }
const STRANGE = { scopes: ['a"b'], realm: 'o"r' }
let issuer: Issuer
let away: Verifier

async function listening(server: Server): Promise<Served> {
  server.listen(0, "localhost")
  await once(server, "listening")
  return { port: (server.address() as AddressInfo).port, stop: () => server.close() }
}

const starts: Record<string, (verifier: Verifier) => Promise<Served>> = {
  express: async verifier => {
    const app = express(), { requireToken, loadToken } = forExpress
    app.get("/orders", requireToken(verifier, RULES), (req, res) => void res.json({ sub: loadToken(req).sub }))
    app.get("/strong", requireToken(verifier, STRONG), (req, res) => void res.json({ sub: loadToken(req).sub }))
    app.get("/strange", requireToken(verifier, STRANGE), (_, res) => void res.json({}))
    app.get("/away", requireToken(away), (_, res) => void res.json({}))
    app.get("/open", (req, res) => void res.json({ error: attempt(() => loadToken(req)) }))
    return listening(createServer(app))
  },
  fastify: async verifier => {
    const app = fastify(), { requireToken, loadToken } = forFastify
    app.get("/orders", { onRequest: requireToken(verifier, RULES) }, async req => ({ sub: loadToken(req).sub }))
    app.get("/strong", { onRequest: requireToken(verifier, STRONG) }, async req => ({ sub: loadToken(req).sub }))
    app.get("/strange", { onRequest: requireToken(verifier, STRANGE) }, async () => ({}))
    app.get("/away", { onRequest: requireToken(away) }, async () => ({}))
    app.get("/open", async req => ({ error: attempt(() => loadToken(req)) }))
    await app.listen({ port: 0, host: "localhost" })
    return { port: (app.server.address() as AddressInfo).port, stop: () => app.close() }
  },
  hono: async verifier => {
    const app = new Hono(), { requireToken, loadToken } = forHono
    app.get("/orders", requireToken(verifier, RULES), c => c.json({ sub: loadToken(c).sub }))
    app.get("/strong", requireToken(verifier, STRONG), c => c.json({ sub: loadToken(c).sub }))
    app.get("/strange", requireToken(verifier, STRANGE), c => c.json({}))
    app.get("/away", requireToken(away), c => c.json({}))
    app.get("/open", c => c.json({ error: attempt(() => loadToken(c)) }))
    const server = serve({ fetch: app.fetch, port: 0, hostname: "localhost" }) as Server
    await once(server, "listening")
    return { port: (server.address() as AddressInfo).port, stop: () => server.close() }
  },
}

function attempt(load: () => unknown): string {
  try {
    load()
    return "none"
  } catch (error) {
    return error instanceof NotGuarded ? error.name : "another"
  }
}

interface Heard {
  readonly status: number | undefined
  readonly challenge: string | undefined
  readonly retryAfter: string | undefined
  readonly body: Record<string, unknown>
}

/** One request; several values of Authorization go out as several headers, which `fetch` cannot do. */
async function get(port: number, path: string, authorization: string[] = []): Promise<Heard> {
  const headers = ["Host", "localhost", ...authorization.flatMap(value => ["Authorization", value])]
  const sent = request({ host: "localhost", port, path, headers })
  sent.end()
  const [response] = await once(sent, "response")
  let body = ""
  for await (const chunk of response) body += String(chunk)
  const { "www-authenticate": challenge, "retry-after": retryAfter, "cache-control": caching } = response.headers
  if (response.statusCode !== 200) assert.equal(caching, "no-store")
  return { status: response.statusCode, challenge, retryAfter, body: JSON.parse(body) }
}

before(async () => {
  issuer = await Issuer.start()
  away = new Verifier("http://localhost:1", AUDIENCE)
})
after(() => issuer.stop())

for (const [framework, start] of Object.entries(starts)) {
  test(`${framework} lets nobody in without a proven token and says what is missing`, async () => {
    const served = await start(new Verifier(issuer.issuer, AUDIENCE))
    const ask = (path: string, ...values: string[]): Promise<Heard> => get(served.port, path, values)
    try {
      const good = `Bearer ${await issuer.mint()}`
      const { status, challenge, body } = await ask("/orders", good)
      assert.deepEqual([status, challenge, body], [200, undefined, { sub: "usr_1" }])
      assert.equal((await ask("/orders", good.replace("Bearer", "bEARER"))).status, 200)

      for (const values of [[], ["Basic abc"], [""]]) {
        const none = await ask("/orders", ...values)
        assert.deepEqual([none.status, none.challenge], [401, 'Bearer realm="orders"'])
        const words = "this request needs a bearer token in the Authorization header"
        assert.deepEqual(none.body, { error_description: words })
      }
      for (const values of [["Bearer "], ["Bearer a b"], ["Bearer ä"], [good, good]]) {
        const { status, body, challenge } = await ask("/orders", ...values)
        assert.deepEqual([status, body["error"]], [400, "invalid_request"], String(values))
        assert.match(challenge ?? "", /^Bearer realm="orders", error="invalid_request", error_description="/)
      }

      const bad = await ask("/orders", `Bearer ${await issuer.mint({ exp: 1 })}`)
      assert.deepEqual([bad.status, bad.body], [401, { error: "invalid_token", error_description: "exp has passed" }])
      assert.equal(bad.challenge, 'Bearer realm="orders", error="invalid_token", error_description="exp has passed"')

      const narrow = await ask("/orders", `Bearer ${await issuer.mint({ scope: "other" })}`)
      assert.equal(narrow.status, 403)
      assert.equal(
        narrow.challenge,
        'Bearer realm="orders", error="insufficient_scope",' +
          ' error_description="the access token lacks a scope that this request needs", scope="orders:read"',
      )

      const weak = await ask("/strong", `Bearer ${await issuer.mint({ acr: "urn:ostiary:aal1" })}`)
      assert.equal(weak.status, 401)
      assert.equal(
        weak.challenge,
        'Bearer realm="orders", error="insufficient_user_authentication",' +
          ' error_description="a stronger sign-in is needed", acr_values="urn:ostiary:aal2 phr", max_age="300",' +
          ` resource_metadata="${METADATA}"`,
      )
      const authTime = Math.floor(Date.now() / 1000)
      const strong = await issuer.mint({ acr: "phr", auth_time: authTime })
      assert.equal((await ask("/strong", `Bearer ${strong}`)).status, 200)

      assert.match((await ask("/strange", good)).challenge ?? "", /^Bearer realm="o\?r", .* scope="a\?b"$/)
      const lost = await ask("/away", good)
      assert.deepEqual([lost.status, lost.body["error"], lost.challenge], [503, "temporarily_unavailable", undefined])
      assert.match(lost.retryAfter ?? "", /^[1-9][0-9]*$/)
      assert.deepEqual((await ask("/open")).body, { error: "NotGuarded" })
    } finally {
      await served.stop()
    }
  })
}

test("express: an answer that somebody gave meanwhile is an error for the application, and ends no program", async () => {
  const app = express(), errors: unknown[] = []
  app.use((_, res, next) => {
    res.status(504).json({ error: "too_late" })
    next()
  })
  app.get("/orders", forExpress.requireToken(away), (_, res) => void res.json({}))
  app.use((error: unknown, _req: express.Request, _res: express.Response, _next: express.NextFunction) => {
    errors.push(error)
  })
  const served = await listening(createServer(app))
  try {
    const headers = { authorization: "Bearer a b" }
    assert.equal((await fetch(`http://localhost:${served.port}/orders`, { headers })).status, 504)
    await until(() => errors.length === 1)
    assert.equal((errors[0] as { code?: string } | undefined)?.code, "ERR_HTTP_HEADERS_SENT")
  } finally {
    await served.stop()
  }
})
