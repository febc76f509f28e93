/** Proving a compact JWS by one key of the issuer. The header has no say in which algorithm that is (S36). */

import { compactVerify } from "jose"
import { parsePayload, type UnprovenToken } from "./compact.js"
import { TokenError } from "./errors.js"
import type { VerificationKey } from "./jwk.js"
import type { JsonObject } from "./strict.js"

/** The payload that the key proves, or TokenError. It is read only once proven. */
export async function provePayload(unproven: UnprovenToken, key: VerificationKey): Promise<JsonObject> {
  if (unproven.alg !== key.alg) {
    throw new TokenError("wrong_algorithm", "alg must be the algorithm of the key that kid names")
  }
  try {
    await compactVerify(unproven.token, key.public, { algorithms: [key.alg] })
  } catch {
    throw new TokenError("bad_signature", "the signature does not prove this token")
  }
  return parsePayload(unproven.token)
}
