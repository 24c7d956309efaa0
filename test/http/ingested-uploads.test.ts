/** Uploads that a thread hashes and writes, from memory that is used again. */
import { createHash, randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Digest, digestOf } from '../../src/core/digest.ts'
import { Ingest } from '../../src/lib/ingest/ingest.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { HttpRegistry } from '../support/http-registry.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'

const MIB = 1024 * 1024
const POST = 'POST /v2/a/blobs/uploads/'

let folder: TemporaryFolder
let open: HttpRegistry[]
beforeEach(async () => {
  folder = await temporaryFolder()
  open = []
})
afterEach(async () => {
  for (const registry of open) await registry[Symbol.asyncDispose]()
  await folder.remove()
})

async function start(failures: Error[] = []): Promise<HttpRegistry> {
  const ingest = new Ingest((error) => failures.push(error))
  const driver = new FilesystemDriver({ root: folder.path, ingest })
  const registry = await HttpRegistry.start({ driver, ingest })
  open.push(registry)
  return registry
}

async function begin(registry: HttpRegistry): Promise<string> {
  return `${(await registry.send(POST)).headers.location}`
}

/** Sends bytes with their length, or in chunks of HTTP. */
async function patch(
  registry: HttpRegistry,
  location: string,
  bytes: Buffer,
  isChunked = false,
): Promise<void> {
  const body = isChunked ? Readable.from(pieces(bytes)) : bytes
  expect((await registry.send(`PATCH ${location}`, { body })).status).toBe(202)
}

function* pieces(bytes: Buffer): Iterable<Buffer> {
  for (let at = 0, size = 1; at < bytes.length; at += size, size = randomInt(1, 100_000))
    yield bytes.subarray(at, at + size)
}

async function commit(registry: HttpRegistry, location: string, digest: Digest): Promise<number> {
  return (await registry.send(`PUT ${location}?digest=${digest}`)).status
}

async function expectOnDisk(content: Buffer): Promise<void> {
  const hex = createHash('sha256').update(content).digest('hex')
  const stored = await readFile(
    `${folder.path}/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`,
  )
  expect(stored.equals(content)).toBe(true)
}

test('many uploads at once, some of which are left, never see bytes of each other', async () => {
  const registry = await start()
  const abandon = async () => {
    const location = await begin(registry)
    using connection = await registry.connect()
    connection.writeHead(`PATCH ${location} HTTP/1.1`, 'Host: localhost', `Content-Length: ${8 * MIB}`)
    connection.write(randomBytes(randomInt(3 * MIB)))
    await registry.send('GET /v2/')
  }
  const push = async (pusher: number) => {
    for (let count = 0; count < 4; count++) {
      const content = randomBytes(randomInt(1, 5 * MIB))
      const location = await begin(registry)
      if (pusher % 3 === 0) {
        const { status } = await registry.send(`PUT ${location}?digest=${digestOf(content)}`, {
          body: content,
        })
        expect(status).toBe(201)
      } else {
        const middle = randomInt(content.length)
        await patch(registry, location, content.subarray(0, middle), pusher % 3 === 1)
        if (pusher % 4 === 0) await abandon()
        await patch(registry, location, content.subarray(middle), pusher % 2 === 1)
        expect(await commit(registry, location, digestOf(content))).toBe(201)
      }
      await expectOnDisk(content)
    }
  }
  await Promise.all(Array.from({ length: 12 }, (_, pusher) => push(pusher)))
})

test('bytes with another digest are refused', async () => {
  const registry = await start()
  const location = await begin(registry)
  await patch(registry, location, randomBytes(2 * MIB))
  expect(await commit(registry, location, digestOf(Buffer.from('other')))).toBe(400)
})

test('other algorithms', async () => {
  const registry = await start()
  const content = randomBytes(2 * MIB)
  const { headers } = await registry.send(`${POST}?digest-algorithm=sha512`)
  await patch(registry, `${headers.location}`, content)
  expect(await commit(registry, `${headers.location}`, digestOf(content, 'sha512'))).toBe(201)
  const location = await begin(registry)
  await patch(registry, location, content)
  expect(await commit(registry, location, digestOf(content, 'sha512'))).toBe(201)
  await expectOnDisk(content)
})

test('two registries go on with one upload in turn', async () => {
  const registries = [await start(), await start()] as const
  const content = randomBytes(6 * MIB)
  const location = await begin(registries[0])
  for (let part = 0; part < 6; part++)
    await patch(
      registries[part % 2]!,
      location,
      content.subarray(part * MIB, (part + 1) * MIB),
      part % 3 === 0,
    )
  expect(await commit(registries[0], location, digestOf(content))).toBe(201)
  await expectOnDisk(content)
})

test('if the thread ends, uploads go on from what was acknowledged, and are hashed when they are committed', async () => {
  const failures: Error[] = []
  const started = once(process, 'worker')
  const registry = await start(failures)
  const [right, wrong] = [randomBytes(4 * MIB), randomBytes(4 * MIB)]
  const locations = [await begin(registry), await begin(registry)] as const
  await patch(registry, locations[0], right.subarray(0, 2 * MIB))
  await patch(registry, locations[1], wrong.subarray(0, 2 * MIB))
  const [thread] = (await started) as [Worker]
  using connection = await registry.connect()
  connection.writeHead(`PATCH ${locations[0]} HTTP/1.1`, 'Host: localhost', `Content-Length: ${2 * MIB}`)
  connection.write(right.subarray(2 * MIB, 3 * MIB))
  await thread.terminate()
  connection.write(right.subarray(3 * MIB))
  await connection.until(/^HTTP\/1\.1 (?:202|503) /)
  expect(failures).toHaveLength(1)
  const { headers } = await registry.send(`GET ${locations[0]}`)
  const acknowledged = Number(`${headers.range}`.split('-')[1]) + 1
  expect(acknowledged).toBeGreaterThanOrEqual(2 * MIB)
  await patch(registry, locations[0], right.subarray(acknowledged))
  await patch(registry, locations[1], wrong.subarray(2 * MIB))
  expect(await commit(registry, locations[0], digestOf(right))).toBe(201)
  expect(await commit(registry, locations[1], digestOf(right))).toBe(400)
  await expectOnDisk(right)
})
