import { randomUUID } from 'node:crypto'
import pLimit, { type LimitFunction } from 'p-limit'
import { StorageError } from '../../core/errors.ts'
import type { Fence } from '../../core/storage-driver.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import { settleAll } from '../../lib/settle-all.ts'
import type { Bucket } from './bucket.ts'
import { contentOf } from './content.ts'
import { isConditionFailed, isNotFound } from './errors.ts'
import type { ObjectState } from './object-info.ts'
import { NO_GENERATION } from './version.ts'

interface OpenFence {
  /** Of the fence's object. */
  generation: string
  /** Keys with a request that is running or has an unknown outcome. */
  readonly unsettled: Set<string>
  /** Changes of the fence's object, one after the other. */
  readonly inTurn: LimitFunction
}

const FENCE = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const MAX_ATTEMPTS = 8
const CONCURRENCY = 32

/** Fences without a clock and without a signing key. An object is deleted on the condition that neither its bytes
 *  nor its metadata have changed (generation and metageneration) since its key was written into the fence's own
 *  object. Closing a fence changes that object, so that no more keys can be added, and then the metadata of every
 *  object that it names: requests that are still under way find another metageneration and do nothing.
 *  @see https://cloud.google.com/storage/docs/request-preconditions */
export class Fences {
  readonly #bucket: Bucket
  readonly #root: string
  readonly #open = new Map<Fence, OpenFence>()
  #missing: Promise<string | undefined> | undefined

  constructor(bucket: Bucket, root: string) {
    this.#bucket = bucket
    this.#root = root
  }

  /** @throws CallFailed; StorageError UNSUPPORTED */
  async open(): Promise<Fence> {
    this.#missing ??= this.#findMissing()
    const missing = await this.#missing.catch((cause) => {
      this.#missing = undefined
      throw cause
    })
    if (missing !== undefined) throw new StorageError('UNSUPPORTED', { path: '/', message: missing })
    const fence = randomUUID()
    const { generation } = await this.#bucket.insert(this.#keyOf(fence), keysContent([]), {
      ifGeneration: NO_GENERATION,
    })
    this.#open.set(fence, { generation, unsettled: new Set(), inTurn: pLimit(1) })
    return fence
  }

  /** @throws CallFailed; StorageError FENCE_CLOSED, BUSY */
  async delete(keys: readonly string[], fence: Fence): Promise<void> {
    let left = keys
    for (let attempt = 1; left.length > 0; attempt++) {
      const found = await this.#find(left)
      await this.#announce(fence, found)
      left = await this.#removeUnchanged(fence, found)
      if (left.length > 0 && attempt === MAX_ATTEMPTS)
        throw new StorageError('BUSY', { path: '/', message: `others keep changing ${left[0]}` })
    }
  }

  /** @throws CallFailed */
  async close(fence: Fence): Promise<void> {
    const own = this.#open.get(fence)
    this.#open.delete(fence)
    if (!FENCE.test(fence)) return
    const key = this.#keyOf(fence)
    if (own?.unsettled.size !== 0) {
      const keys = await this.#end(key)
      await settleAll(keys.map((each) => this.#bucket.touch(each)))
    }
    await this.#bucket.remove(key)
  }

  async #find(keys: readonly string[]): Promise<ObjectState[]> {
    const found: ObjectState[] = []
    const work = (key: string) => this.#bucket.findState(key)
    for await (const one of mapInOrder(keys, { concurrency: CONCURRENCY, work }))
      if (one !== undefined) found.push(one)
    return found
  }

  /** Writes the keys into the fence's object, before anything is deleted. */
  async #announce(fence: Fence, objects: readonly ObjectState[]): Promise<void> {
    const open = this.#require(fence)
    for (const { key } of objects) open.unsettled.add(key)
    await open.inTurn(async () => {
      this.#require(fence)
      try {
        const content = keysContent([...open.unsettled])
        const { generation } = await this.#bucket.insert(this.#keyOf(fence), content, {
          ifGeneration: open.generation,
        })
        open.generation = generation
      } catch (cause) {
        if (!isConditionFailed(cause)) throw cause
        this.#open.delete(fence)
        throw closed()
      }
    })
  }

  /** @returns the keys of those that others have changed since */
  async #removeUnchanged(fence: Fence, objects: readonly ObjectState[]): Promise<string[]> {
    const open = this.#require(fence)
    const changed: string[] = []
    const work = async (object: ObjectState) => {
      this.#require(fence)
      if (!(await this.#bucket.removeUnchanged(object))) changed.push(object.key)
      // Whatever the answer is, no request for this state of the object can succeed any more.
      open.unsettled.delete(object.key)
    }
    await settleAll(objects.map(work))
    return changed
  }

  /** Changes the fence's object, so that no keys are added.
   *  @returns those that it has */
  async #end(key: string): Promise<readonly string[]> {
    for (;;) {
      try {
        const { content, version } = await this.#bucket.get(key)
        const keys = JSON.parse(Buffer.from(content).toString()) as string[]
        await this.#bucket.insert(key, keysContent(keys), { ifGeneration: version.generation })
        return keys
      } catch (cause) {
        if (isNotFound(cause)) return []
        if (!isConditionFailed(cause)) throw cause
      }
    }
  }

  #require(fence: Fence): OpenFence {
    const open = this.#open.get(fence)
    if (open === undefined) throw closed()
    return open
  }

  #keyOf(fence: Fence): string {
    return `${this.#root}~fences/${fence}`
  }

  /** The capability that the store lacks. Undefined if it honours all conditions. */
  async #findMissing(): Promise<string | undefined> {
    const bucket = this.#bucket
    const key = `${this.#root}~fences/probe.${randomUUID()}`
    const content = contentOf(Buffer.from('a probe of the capabilities of the store; it can be removed'))
    try {
      await bucket.insert(key, content)
      const before = await bucket.findState(key)
      const overwritten = await bucket.insert(key, content, { ifGeneration: NO_GENERATION }).then(
        () => true,
        (cause) => {
          if (isConditionFailed(cause)) return false
          throw cause
        },
      )
      if (overwritten) return 'the store overwrites an existing object (it ignores ifGenerationMatch)'
      await bucket.touch(key)
      const after = await bucket.findState(key)
      if (before === undefined || after === undefined || before.metageneration === after.metageneration)
        return 'the store does not count changes of metadata (metageneration)'
      if ((await bucket.removeUnchanged(before)) || (await bucket.findState(key)) === undefined)
        return 'the store deletes a changed object (it ignores ifMetagenerationMatch)'
      return undefined
    } finally {
      await bucket.remove(key)
    }
  }
}

function keysContent(keys: readonly string[]) {
  return contentOf(Buffer.from(JSON.stringify(keys)))
}

function closed(): StorageError {
  return new StorageError('FENCE_CLOSED', { path: '/' })
}
