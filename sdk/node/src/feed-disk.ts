/** The feed's last state on disk, for a cold start: one file for an issuer, replaced whole, read with suspicion. */

import { createHash, randomBytes } from "node:crypto"
import { constants } from "node:fs"
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises"
import { basename, join } from "node:path"
import { FeedRefused } from "./errors.js"

const MAX_FILE_BYTES = 134_217_728
const WRITABLE_BY_OTHERS = 0o022
const FRESH = ".new"
const LEFT_AFTER_MS = 60_000

/** A folder may be shared by several processes: the last one to write wins. */
export class FeedDisk {
  readonly path: string

  constructor(private readonly folder: string, issuer: string) {
    const name = createHash("sha256").update(issuer).digest("hex").slice(0, 32)
    this.path = join(folder, `feed-${name}.ndjson`)
  }

  /** What was stored; undefined where nothing is. FeedRefused for a file that is not ours alone. */
  async load(): Promise<Buffer | undefined> {
    await this.#clear()
    // Without waiting: a pipe of that name would hold up the first request for good.
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
    const file = await open(this.path, flags).catch(error => {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
      throw error
    })
    if (file === undefined) return undefined
    try {
      const facts = await file.stat()
      if (!facts.isFile() || facts.size > MAX_FILE_BYTES) {
        throw new FeedRefused("the saved feed is not a file of the expected size")
      }
      // Whoever can write it could make this service forget what was revoked until the first head comes.
      const own = process.geteuid?.()
      if (own !== undefined && (facts.uid !== own || (facts.mode & WRITABLE_BY_OTHERS) !== 0)) {
        throw new FeedRefused("the saved feed belongs to somebody else, or others may write it")
      }
      return await file.readFile()
    } finally {
      await file.close()
    }
  }

  /** Removes what processes that were killed have half written. */
  async #clear(): Promise<void> {
    const begin = basename(this.path, ".ndjson")
    for (const name of await readdir(this.folder).catch(() => [])) {
      if (!name.startsWith(`${begin}.`) || !name.endsWith(FRESH)) continue
      const path = join(this.folder, name)
      const age = await stat(path).then(facts => Date.now() - facts.mtimeMs, () => 0)
      if (age > LEFT_AFTER_MS) await rm(path, { force: true }).catch(() => undefined)
    }
  }

  /** Replaces the file at once and for good. */
  async store(document: Buffer): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 })
    const fresh = `${this.path}.${process.pid}-${randomBytes(4).toString("hex")}${FRESH}`
    try {
      const file = await open(fresh, "wx", 0o600)
      try {
        await file.writeFile(document)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(fresh, this.path)
    } catch (error) {
      await rm(fresh, { force: true })
      throw error
    }
  }
}
