/** A small issuer for tests: real HTTP on loopback, real keys, a feed that can be cut, doubled and set back. */

import { createHash, randomBytes } from "node:crypto"
import { once } from "node:events"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { gzipSync } from "node:zlib"
import { CompactSign, exportJWK, generateKeyPair, type CryptoKey, type JWK } from "jose"
import { firstChain, nextChain } from "../src/feed-lines.js"

export const AUDIENCE = "https://orders.example.com"
export const CLIENT = { clientId: "cli_1", clientSecret: "s3cret &/" }
/** Form-encoded before they are joined (RFC 6749 §2.3.1). */
const CREDENTIALS = "cli_1:s3cret+%26%2F"

interface OwnKey {
  readonly kid: string
  readonly alg: string
  readonly secret: CryptoKey
  readonly public: JWK
}

export class Issuer {
  readonly issuer: string
  /** Requests by path, counted. */
  readonly asked = new Map<string, number>()
  readonly acked: number[] = []
  /** The names of those who acknowledged, and of those who said goodbye. */
  readonly followers = new Set<string>()
  readonly left: string[] = []
  /** What the key set answers instead of 200. */
  keysStatus = 200
  /** What introspection answers; undefined: 500. */
  active: boolean | undefined = true
  /** How long a token of the token endpoint lives. */
  tokenLifeS = 300
  /** What is answered instead, by the last part of the path. */
  readonly answers = new Map<string, (response: ServerResponse, body: string) => unknown>()
  /** A line that somebody slips into the next stream, before what the issuer says. */
  slipped: string | undefined
  /** Streams get no answer, and those open are held. */
  isCut = false
  /** The key that signs heads. */
  headKey = "k1"
  /** Keys that sign, and are not published yet. */
  readonly hidden = new Set<string>()
  /** Streams open, but bring nothing. */
  isSilent = false
  epoch = randomBytes(16).toString("hex")
  lines: string[] = []
  #keys: OwnKey[] = []
  #boot = randomBytes(8).toString("hex")
  #streams = new Set<{ response: ServerResponse; seq: number }>()
  #beat: NodeJS.Timeout

  private constructor(private readonly server: Server) {
    this.issuer = `http://localhost:${(server.address() as AddressInfo).port}`
    server.on("request", (request, response) => void this.#answer(request, response))
    this.#beat = setInterval(() => void this.tell(), 200)
  }

  /** How many followers have a stream. */
  get streams(): number {
    return this.#streams.size
  }

  static async start(): Promise<Issuer> {
    const server = createServer().listen(0, "localhost")
    await once(server, "listening")
    const issuer = new Issuer(server)
    await issuer.addKey("k1", "ES256")
    return issuer
  }

  async stop(): Promise<void> {
    clearInterval(this.#beat)
    this.server.closeAllConnections()
    this.server.close()
    await once(this.server, "close")
  }

  async addKey(kid: string, alg: string): Promise<void> {
    const pair = await generateKeyPair(alg, { extractable: true })
    this.#keys.push({ kid, alg, secret: pair.privateKey, public: await exportJWK(pair.publicKey) })
  }

  removeKey(kid: string): void {
    this.#keys = this.#keys.filter(key => key.kid !== kid)
  }

  get published(): JWK[] {
    return this.#keys.filter(key => !this.hidden.has(key.kid)).map(({ kid, alg, public: jwk }) => ({ ...jwk, kid, alg, use: "sig" }))
  }

  async mint(claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}, kid = "k1"): Promise<string> {
    const now = Math.floor(Date.now() / 1000)
    const all = {
      iss: this.issuer, aud: AUDIENCE, sub: "usr_1", client_id: "cli_9", jti: randomBytes(8).toString("hex"),
      iat: now, exp: now + 300, scope: "orders:read orders:write", ...claims,
    }
    return this.sign(JSON.stringify(all), { typ: "at+jwt", ...header }, kid)
  }

  async sign(payload: string, header: Record<string, unknown>, kid = "k1"): Promise<string> {
    const key = this.#keys.find(each => each.kid === kid)
    if (key === undefined) throw new Error(`no key ${kid}`)
    const signer = new CompactSign(Buffer.from(payload)).setProtectedHeader({ alg: key.alg, kid, ...header })
    return signer.sign(key.secret)
  }

  /** One more entry, told to the streams at once. */
  async append(kind: string, subject: string, more: Record<string, unknown> = {}): Promise<void> {
    const at = Date.now(), expires = Math.ceil(at / 1000) + 360
    this.lines.push(JSON.stringify({ seq: this.lines.length + 1, kind, subject, at, expires, ...more }))
    await this.tell()
  }

  /** A new epoch with these lines; open streams hear of it. */
  beginAgain(): void {
    this.epoch = randomBytes(16).toString("hex")
    this.lines = []
    for (const { response } of this.#streams) response.end("event: reset\ndata: load the snapshot\n\n")
    this.#streams.clear()
  }

  /** Ends every stream. */
  hangUp(): void {
    for (const { response } of this.#streams) response.destroy()
    this.#streams.clear()
  }

  async tell(): Promise<void> {
    if (this.isCut || this.isSilent) return
    const seq = this.lines.length, head = await this.#head(seq, {})
    for (const stream of this.#streams) {
      const news = this.lines.slice(stream.seq, seq).map(line => `data: ${line}\n`).join("")
      if (news !== "") stream.response.write(`id: ${this.epoch}:${seq}\nevent: entries\n${news}\n`)
      stream.response.write(`event: head\ndata: ${head}\n\n`)
      stream.seq = Math.max(stream.seq, seq)
    }
  }

  /** A head of the whole log, signed. */
  head(): Promise<string> {
    return this.#head(this.lines.length, {})
  }

  async #head(seq: number, more: Record<string, unknown>): Promise<string> {
    const lines = this.lines.slice(0, seq).map(line => Buffer.from(line))
    const chain = lines.reduce(nextChain, firstChain(this.issuer, this.epoch)).toString("base64url")
    const { issuer: iss, epoch } = this, up = Math.floor(performance.now())
    const said = { iss, epoch, seq, chain, at: Date.now(), up, boot: this.#boot, ...more }
    return this.sign(JSON.stringify(said), { typ: "ostiary-feed+jwt" }, this.headKey)
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", this.issuer)
    this.asked.set(url.pathname, (this.asked.get(url.pathname) ?? 0) + 1)
    let body = ""
    for await (const chunk of request) body += String(chunk)
    const instead = this.answers.get(url.pathname.split("/").at(-1) ?? "")
    if (instead !== undefined) return void instead(response, body)
    const json = (status: number, value: unknown): void => {
      response.writeHead(status, { "content-type": "application/json", "cache-control": "max-age=300" })
      response.end(JSON.stringify(value))
    }
    const isOurs = request.headers.authorization === "Bearer feed-token"
    const isClient = request.headers.authorization === `Basic ${Buffer.from(CREDENTIALS).toString("base64")}`
    if (url.pathname === "/.well-known/openid-configuration") return json(200, this.#metadata())
    if (url.pathname === "/jwks") return json(this.keysStatus, { keys: this.published })
    if (url.pathname === "/token") {
      const isAsked = body === `grant_type=client_credentials&scope=feed%3Aread&resource=${encodeURIComponent(this.issuer)}`
      return json(isClient && isAsked ? 200 : 401, { access_token: "feed-token", token_type: "Bearer", expires_in: this.tokenLifeS })
    }
    if (url.pathname === "/introspect") {
      return json(isClient && this.active !== undefined ? 200 : 500, { active: this.active })
    }
    if (!url.pathname.startsWith("/feed/v1/") || !isOurs) return json(isOurs ? 404 : 401, {})
    if (this.isCut) return
    if (url.pathname === "/feed/v1/snapshot") return this.#snapshot(response)
    if (url.pathname === "/feed/v1/delta") return this.#delta(url, response)
    if (url.pathname === "/feed/v1/events") return this.#events(String(request.headers["last-event-id"]), response)
    const said = JSON.parse(body) as { seq: number; follower: string; leaving?: boolean }
    this.followers.add(said.follower)
    if (said.leaving === true) this.left.push(said.follower)
    else this.acked.push(said.seq)
    response.writeHead(204).end()
  }

  #metadata(): Record<string, string> {
    const { issuer } = this
    return {
      issuer,
      jwks_uri: `${issuer}/jwks`,
      token_endpoint: `${issuer}/token`,
      introspection_endpoint: `${issuer}/introspect`,
    }
  }

  async #snapshot(response: ServerResponse): Promise<void> {
    const body = this.lines.map(line => `${line}\n`).join("")
    const digest = createHash("sha256").update(body).digest("base64url")
    const head = await this.#head(this.lines.length, { count: this.lines.length, digest })
    const parts = [gzipSync(`${JSON.stringify({ head })}\n`), gzipSync(body)]
    response.writeHead(200, { "content-type": "application/x-ndjson", "content-encoding": "gzip" })
    response.end(Buffer.concat(parts))
  }

  async #delta(url: URL, response: ServerResponse): Promise<void> {
    const after = Number(url.searchParams.get("after"))
    if (url.searchParams.get("epoch") !== this.epoch || after > this.lines.length) {
      response.writeHead(410, { "content-type": "application/problem+json" }).end("{}")
      return
    }
    const head = await this.#head(this.lines.length, {})
    response.writeHead(200, { "content-type": "application/x-ndjson" })
    response.end(this.lines.slice(after).map(line => `${line}\n`).join("") + `${JSON.stringify({ head })}\n`)
  }

  #events(place: string, response: ServerResponse): void {
    const [epoch, seq] = place.split(":")
    response.writeHead(200, { "content-type": "text/event-stream" })
    response.flushHeaders()
    if (epoch !== this.epoch || Number(seq) > this.lines.length) {
      response.end("event: reset\ndata: load the snapshot\n\n")
      return
    }
    const stream = { response, seq: Number(seq) }
    if (this.slipped !== undefined) {
      response.write(`event: entries\ndata: ${this.slipped}\n\n`)
      this.slipped = undefined
    }
    this.#streams.add(stream)
    response.on("close", () => this.#streams.delete(stream))
    void this.tell()
  }
}

/** Waits until it is so; fails after `withinMs`. */
export async function until(isSo: () => boolean | Promise<boolean>, withinMs = 5000): Promise<void> {
  const endsAt = performance.now() + withinMs
  while (!(await isSo())) {
    if (performance.now() > endsAt) throw new Error("it did not become so in time")
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}
