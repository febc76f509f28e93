/** A guard for Express (and Connect, and anything with their middleware). Nothing of Express is imported. */

import { Guard, headerValues, type GuardOptions } from "./guard.js"
import type { Verifier } from "./verifier.js"

export { loadToken, type GuardOptions } from "./guard.js"

interface NodeRequest {
  readonly rawHeaders: string[]
}

interface NodeResponse {
  writeHead(status: number, headers: Record<string, string>): unknown
  end(body: string): unknown
}

/** No request goes on without a proven token; `loadToken(req)` gives it to the routes behind. */
export function requireToken(
  verifier: Verifier, options: GuardOptions = {},
): (req: NodeRequest, res: NodeResponse, next: (error?: unknown) => void) => void {
  const guard = new Guard(verifier, options)
  return (req, res, next) => {
    const judged = guard.admit(req, headerValues(req.rawHeaders, "authorization")).then(admission => {
      if ("token" in admission) return next()
      res.writeHead(admission.refused.status, admission.refused.headers)
      res.end(admission.refused.body)
    })
    // Also where somebody has answered meanwhile (a time limit): a promise that nobody catches ends the program.
    judged.catch(next)
  }
}
