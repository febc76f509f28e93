/** Strict readers for what arrives from outside: one spelling per value, nothing decorated, nothing deep. */

export const MAX_OPENING_BRACKETS = 128

export type JsonObject = Readonly<Record<string, unknown>>

/** The bytes behind unpadded base64url (RFC 7515 §2), or undefined unless this is their only spelling (S16). */
export function parseBase64url(text: string): Buffer | undefined {
  const raw = Buffer.from(text, "base64url")
  return raw.length > 0 && raw.toString("base64url") === text ? raw : undefined
}

/**
 * The JSON object (RFC 8259, I-JSON's unique names), or undefined.
 * Counting brackets bounds the nesting before any parsing: cheaper than measuring depth and safe for any stack (S38).
 */
export function parseJsonObject(raw: Uint8Array, maxBrackets = MAX_OPENING_BRACKETS): JsonObject | undefined {
  if (hasTooManyBrackets(raw, maxBrackets)) return undefined
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw)
    const value: unknown = JSON.parse(text)
    if (!isObject(value)) return undefined
    // The parser keeps the last of two equal names. Writing the value back proves that there were none, for the
    // compact form that signers use; any other form is read once more, slowly.
    return JSON.stringify(value) !== text && hasDuplicateNames(text) ? undefined : value
  } catch {
    return undefined
  }
}

/** Whether the value is a JSON object. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/** The object's own member; names such as `constructor` that every object inherits are no members. */
export function member(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

/** Whether the value is a whole number between 0 and `most`. */
export function isCount(value: unknown, most = Number.MAX_SAFE_INTEGER): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= most
}

function hasTooManyBrackets(raw: Uint8Array, most: number): boolean {
  let found = 0
  for (const byte of raw) {
    if ((byte === 0x5b || byte === 0x7b) && ++found > most) return true
  }
  return false
}

const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\]:,]/gu

/** Whether an object of this well-formed JSON text names a member twice. */
function hasDuplicateNames(text: string): boolean {
  const open: (Set<string> | undefined)[] = []
  let last: string | undefined
  for (const [token] of text.matchAll(TOKENS)) {
    if (token === "{") open.push(new Set())
    else if (token === "[") open.push(undefined)
    else if (token === "}" || token === "]") open.pop()
    else if (token === ":" && last !== undefined) {
      const names = open.at(-1)
      const name = JSON.parse(last) as string
      if (names?.has(name)) return true
      names?.add(name)
    }
    last = token.startsWith('"') ? token : undefined
  }
  return false
}
