import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hash,
  type KeyObject,
  type webcrypto,
} from 'node:crypto'
import { dirname } from 'node:path'
import type { Log } from '../../core/log.ts'
import { makeFolder, replaceFile, textOf } from '../../lib/files/atomic-write.ts'
import { withFileLock } from '../../lib/files/file-lock.ts'
import { WatchedFile } from '../../lib/files/watched-file.ts'
import { requireWritable } from '../../lib/files/writable.ts'

export const SIGNING_ALGORITHM = 'ES256'

/** A key pair that signs tokens. */
export interface SigningKey {
  readonly id: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  readonly createdAt: Date
}

export interface KeyFileOptions {
  readonly path: string
  /** Age of the newest key at which a new one is added. */
  readonly rotationMs: number
  /** The longest lifetime of tokens: a key is kept that long after its last signature. */
  readonly keepMs: number
  readonly log: Log
  readonly onChange: () => void
}

/** Interval of the checks for rotation. */
const ROTATION_CHECK_MS = 60 * 60 * 1000

/** The keys of the issuer, in a file that replicas may share. Created if missing; the first replica that
 *  finds the newest key too old adds a new one. A JSON Web Key Set with private keys, readable by its owner
 *  only. */
export class KeyFile {
  readonly #options: KeyFileOptions
  readonly #file: WatchedFile<readonly SigningKey[]>
  readonly #timer: NodeJS.Timeout

  private constructor(options: KeyFileOptions, file: WatchedFile<readonly SigningKey[]>) {
    this.#options = options
    this.#file = file
    this.#timer = setInterval(() => void this.rotateIfDue().catch(this.#report), ROTATION_CHECK_MS)
    this.#timer.unref()
  }

  static async open(options: KeyFileOptions): Promise<KeyFile> {
    const { path, log, onChange } = options
    const watched = { path, key: 'auth.issuer.keys', parse: keysToUse, absent: [], log, onChange }
    const keys = new KeyFile(options, await WatchedFile.open(watched))
    await keys.rotateIfDue().catch((cause) => {
      keys.close()
      throw new Error(`auth.issuer.keys: ${path}: ${(cause as Error).message}`, { cause })
    })
    return keys
  }

  /** The signing key: the newest one that is not from the future, as a clock that was ahead may have made
   *  it. */
  get current(): SigningKey {
    return newestAt(this.all, new Date()) ?? this.all[0]!
  }

  /** All keys, the newest first. */
  get all(): readonly SigningKey[] {
    return this.#file.content
  }

  /** A key by its id, also one that another replica has just added. */
  async find(id: string): Promise<SigningKey | undefined> {
    const known = this.all.find((key) => key.id === id)
    if (known !== undefined) return known
    await this.#file.refresh()
    return this.all.find((key) => key.id === id)
  }

  /** Adds a key if the newest is too old, and removes keys whose tokens have all expired. Restores a file
   *  that was emptied or removed. */
  async rotateIfDue(now = new Date()): Promise<void> {
    if (!this.#isDue(now)) return
    await makeFolder(dirname(this.#options.path))
    await withFileLock(this.#options.path, async (lock) => {
      await this.#file.readNow()
      if (!this.#isDue(now)) return
      const { path, keepMs } = this.#options
      const stored = parseKeys(await textOf(path))
      const kept = stillNeeded(stored.length > 0 ? stored : this.all, { now, keepMs })
      await replaceFile(path, formatKeys([newKey(now), ...kept]), () => lock.confirm())
      await this.#file.readNow()
    })
  }

  close(): void {
    clearInterval(this.#timer)
    this.#file.close()
  }

  #isDue(now: Date): boolean {
    const newest = newestAt(this.all, now)
    return newest === undefined || now.getTime() - newest.createdAt.getTime() >= this.#options.rotationMs
  }

  readonly #report = (error: unknown) => {
    this.#options.log.error({ err: error }, 'no new key could be created; the old one stays in use')
  }
}

/** Allowed difference between the clocks of replicas. */
const MAX_CLOCK_SKEW_MS = 60 * 60 * 1000

/** The newest key that is not from the future. */
function newestAt(keys: readonly SigningKey[], now: Date): SigningKey | undefined {
  return keys.find(({ createdAt }) => createdAt.getTime() <= now.getTime() + MAX_CLOCK_SKEW_MS)
}

/** Keys that may have signed a valid token. A key signs until it has a successor; its own age is not enough,
 *  because a clock may have been ahead.
 *  @param keys the newest first */
function stillNeeded(
  keys: readonly SigningKey[],
  { now, keepMs }: { now: Date; keepMs: number },
): readonly SigningKey[] {
  return keys.filter((_key, index) => {
    const successor = keys[index - 1]
    return successor === undefined || now.getTime() - successor.createdAt.getTime() < keepMs
  })
}

function newKey(createdAt: Date): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const id = hash('sha256', publicKey.export({ type: 'spki', format: 'der' }), 'base64url')
  return { id, privateKey, publicKey, createdAt }
}

/** Checks that the registry can start with the file, and changes nothing.
 *  @throws Error if the file is malformed, or can't be created */
export async function checkKeyFile(path: string): Promise<void> {
  try {
    if (parseKeys(await textOf(path)).length === 0) await requireWritable(path)
  } catch (cause) {
    throw new Error(`auth.issuer.keys: ${path}: ${(cause as Error).message}`, { cause })
  }
}

type StoredKey = webcrypto.JsonWebKey & { kid: string; created: string }

/** Parses the keys of a file that replaces `previous`.
 *  @throws Error if it is malformed, or has lost all its keys */
function keysToUse(text: string, previous: readonly SigningKey[] | undefined): readonly SigningKey[] {
  const keys = parseKeys(text)
  if (keys.length === 0 && previous !== undefined && previous.length > 0) throw new Error('it has no keys')
  return keys
}

/** Parses the keys.
 *  @throws Error if the file is malformed */
function parseKeys(text: string): readonly SigningKey[] {
  if (text.trim() === '') return []
  const { keys } = JSON.parse(text) as { keys?: StoredKey[] }
  if (!Array.isArray(keys)) throw new Error('no key set: it has no list "keys"')
  return keys
    .map((jwk): SigningKey => {
      const createdAt = new Date(jwk.created)
      if (typeof jwk.kid !== 'string' || Number.isNaN(createdAt.getTime()))
        throw new Error('a key without kid or created')
      const privateKey = createPrivateKey({ key: jwk, format: 'jwk' })
      return { id: jwk.kid, privateKey, publicKey: createPublicKey(privateKey), createdAt }
    })
    .sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime())
}

function formatKeys(keys: readonly SigningKey[]): string {
  const stored = keys.map(({ id, privateKey, createdAt }) => ({
    ...privateKey.export({ format: 'jwk' }),
    kid: id,
    created: createdAt.toISOString(),
  }))
  return `${JSON.stringify({ keys: stored }, null, 2)}\n`
}

/** The public keys, RFC 7517. */
export function publicKeySet(keys: readonly SigningKey[]): Readonly<Record<string, unknown>> {
  return {
    keys: keys.map(({ id, publicKey }) => ({
      ...publicKey.export({ format: 'jwk' }),
      kid: id,
      alg: SIGNING_ALGORITHM,
      use: 'sig',
    })),
  }
}
