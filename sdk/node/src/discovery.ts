/** The issuer's address and what its metadata may say (OIDC Discovery 1.0 §4, RFC 8414 §3.3). No I/O. */

import { isIP } from "node:net"
import { ConfigurationError, FetchError } from "./errors.js"
import { member, parseJsonObject, type JsonObject } from "./strict.js"

const METADATA_PATH = "/.well-known/openid-configuration"
const MAX_METADATA_BRACKETS = 512

/** The URL parser silently drops tabs and line ends, and reads a backslash as a slash: only plain letters reach it. */
const VISIBLE = /^[!-[\]-~]+$/

/** The trusted issuer: its exact name, and where its metadata and its feed lie. */
export interface IssuerAddress {
  readonly issuer: string
  readonly metadataUrl: string
  readonly feedUrl: string
}

/** What the SDK calls by the issuer's metadata. */
export type EndpointName = "jwks_uri" | "token_endpoint" | "introspection_endpoint"

/** The issuer's metadata; a fault in one address harms only those who need it. */
export interface Metadata {
  /** Where it is, or FetchError. */
  endpoint(name: EndpointName): string
}

/** The address of an https issuer, or of an http one on loopback; ConfigurationError otherwise. */
export function parseIssuer(issuer: string): IssuerAddress {
  if (typeof issuer !== "string" || findUrl(issuer) === undefined || /[?#]/.test(issuer)) {
    throw new ConfigurationError("issuer must be an https URL without query (http only on loopback)")
  }
  const base = issuer.replace(/\/+$/, "")
  return { issuer, metadataUrl: base + METADATA_PATH, feedUrl: `${base}/feed/v1` }
}

/**
 * The metadata that says where keys, tokens and introspection are, or FetchError.
 * The metadata must name exactly the issuer that was asked for, or one issuer could speak for another; and everything
 * must lie at the issuer's own origin, so that no document can send us, or our secret, elsewhere.
 */
export function parseMetadata(body: Uint8Array, expected: IssuerAddress): Metadata {
  const metadata = parseJsonObject(body, MAX_METADATA_BRACKETS)
  if (metadata === undefined) throw new FetchError("the metadata is not a plain JSON object")
  if (member(metadata, "issuer") !== expected.issuer) throw new FetchError("the metadata names another issuer")
  return { endpoint: name => parseEndpoint(metadata, name, expected) }
}

/** Seconds that a response stays fresh (RFC 9111 §4.2), 0 where it must not be kept, undefined where it is silent. */
export function parseFreshness(cacheControl: string, age: string): number | undefined {
  const directives = new Map(cacheControl.toLowerCase().split(",").map(part => {
    const [name = "", value = ""] = part.split("=")
    return [name.trim(), value.trim().replaceAll('"', "")] as const
  }))
  if (directives.has("no-store") || directives.has("no-cache")) return 0
  const maxAge = directives.get("max-age") ?? ""
  if (!/^[0-9]{1,9}$/.test(maxAge)) return undefined
  return Math.max(0, Number(maxAge) - (/^[0-9]{1,9}$/.test(age) ? Number(age) : 0))
}

function parseEndpoint(metadata: JsonObject, name: string, expected: IssuerAddress): string {
  const value = member(metadata, name)
  const url = typeof value === "string" ? findUrl(value) : undefined
  if (url === undefined) throw new FetchError(`${name} must be an https URL (http only on loopback)`)
  if (url.origin !== new URL(expected.issuer).origin) throw new FetchError(`${name} must have the issuer's origin`)
  return url.href
}

function findUrl(text: string): URL | undefined {
  if (!VISIBLE.test(text) || !URL.canParse(text)) return undefined
  const url = new URL(text)
  const isPlain = url.username === "" && url.password === "" && url.port !== "0" && /^https?:\/\/[^/]/i.test(text)
  if (!isPlain) return undefined
  return url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname)) ? url : undefined
}

function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, "")
  if (isIP(name) === 4) return name.startsWith("127.")
  return name === "::1" || name === "localhost" || name.endsWith(".localhost")
}
