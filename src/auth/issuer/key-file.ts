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

/** A key pair that tokens are signed with. */
export interface SigningKey {
  readonly id: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  readonly createdAt: Date
}

export interface KeyFileOptions {
  readonly path: string
  /** How old the newest key may become before there is a newer one. */
  readonly rotationMs: number
  /** How long tokens may be good: a key stays that long after it signs no more. */
  readonly keepMs: number
  readonly log: Log
  readonly onChange: () => void
}

/** How often it is asked whether a new key is due. */
const ROTATION_CHECK_MS = 60 * 60 * 1000

/** The keys of the issuer, in a file that replicas may share. It is made when it is missing; whoever notices first that
 *  the newest key is old adds a new one. A JSON Web Key Set with private keys: the file is its owner's alone. */
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

  /** The key to sign with: the newest, but for those that were made by a clock that was ahead. */
  get current(): SigningKey {
    return newestAt(this.all, new Date()) ?? this.all[0]!
  }

  /** The newest first. */
  get all(): readonly SigningKey[] {
    return this.#file.content
  }

  /** A key by its id, also one that another replica has only just made. */
  async find(id: string): Promise<SigningKey | undefined> {
    const known = this.all.find((key) => key.id === id)
    if (known !== undefined) return known
    await this.#file.refresh()
    return this.all.find((key) => key.id === id)
  }

  /** Adds a key when the newest is older than it should be, and drops those whose tokens have all expired. A file that was
   *  emptied or removed meanwhile gets its keys back. */
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
    this.#options.log.error({ err: error }, 'no new key could be made; the old one stays in use')
  }
}

/** By how much clocks of replicas may differ. */
const MAX_CLOCK_SKEW_MS = 60 * 60 * 1000

/** The newest that is not of the future. */
function newestAt(keys: readonly SigningKey[], now: Date): SigningKey | undefined {
  return keys.find(({ createdAt }) => createdAt.getTime() <= now.getTime() + MAX_CLOCK_SKEW_MS)
}

/** Those that may have signed a token that is still good. A key signs until it has a successor; its own age says nothing, because
 *  a clock may have been ahead.
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

/** Looks whether the registry could start with the file, and changes nothing.
 *  @throws Error when it is no file of ours, or could not be made */
export async function checkKeyFile(path: string): Promise<void> {
  try {
    if (parseKeys(await textOf(path)).length === 0) await requireWritable(path)
  } catch (cause) {
    throw new Error(`auth.issuer.keys: ${path}: ${(cause as Error).message}`, { cause })
  }
}

type StoredKey = webcrypto.JsonWebKey & { kid: string; created: string }

/** @throws Error when it is no file of ours, or there is no key in it any more */
function keysToUse(text: string, previous: readonly SigningKey[] | undefined): readonly SigningKey[] {
  const keys = parseKeys(text)
  if (keys.length === 0 && previous !== undefined && previous.length > 0)
    throw new Error('it has no keys any more')
  return keys
}

/** @throws Error when it is no file of ours */
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

/** The public half, RFC 7517. */
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
