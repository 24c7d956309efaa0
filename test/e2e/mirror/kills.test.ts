/** A mirror that is killed at any step by which it stores what it fetches: nothing wrong is left, and the next process
 *  fetches what is missing. `MIRROR_KILLS=all` kills it at every step, which takes minutes. */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { digestOf } from '../../../src/core/digest.ts'
import { MediaType } from '../../../src/core/media-type.ts'
import { describeWith } from '../../support/describe-with.ts'
import { startEntrepot } from '../../support/entrepot-process.ts'
import { killAtCall } from '../../support/kill-at-call.ts'
import { descriptorOf, imageJson, payloadOf } from '../../support/manifest-json.ts'
import { RegistryClient } from '../../support/registry-client.ts'
import { ScriptedUpstream } from '../../support/scripted-upstream.ts'
import type { ServerProcess } from '../../support/server-process.ts'
import { filesBelow, layoutRoot } from '../../support/storage-tree.ts'
import { TRACED_ENVIRONMENT } from '../../support/system-calls.ts'
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts'

/** What changes files; `pwritev` is the spool file. strace counts each of them by itself. */
const CALLS = ['pwritev', 'rename', 'fdatasync', 'mkdir', 'fsync', 'unlink'] as const
interface Step {
  readonly call: (typeof CALLS)[number]
  /** The how manyth of its kind. */
  readonly time: number
}
/** Larger than what stays in memory. */
const LAYER_BYTES = 2 * 1024 ** 2
/** Manifest and tag are stored by five renames. Then the spool file becomes the upload's data, these become the blob's, and
 *  the link appears. */
const SOME_STEPS: readonly Step[] = [
  { call: 'pwritev', time: 3 },
  { call: 'rename', time: 6 },
  { call: 'rename', time: 7 },
  { call: 'rename', time: 8 },
  { call: 'unlink', time: 1 },
]

const TIMEOUT_MS = 15 * 60_000

let folder: TemporaryFolder
let upstream: ScriptedUpstream
beforeEach(async () => {
  folder = await temporaryFolder()
  upstream = await ScriptedUpstream.start()
})
afterEach(async () => {
  await upstream.stop()
  await folder.remove()
})

describeWith(['strace'], 'a mirror', () => {
  test('that is killed at a step of a fetch leaves nothing wrong', { timeout: TIMEOUT_MS }, async () => {
    let mirror = await start()
    const skipped = new Set<string>()
    try {
      for (const step of steps(skipped)) {
        const layer = randomBytes(LAYER_BYTES)
        const wanted = addImage(layer, `${step.call}/${step.time}`)
        const kill = await killAtCall(mirror.pid, { ...step, when: 'before' })
        await pull(mirror, wanted)
        const isKilled = await untilKilledOrStored(mirror, wanted)
        await kill.disarm()
        if (!isKilled) {
          expect(SOME_STEPS).not.toContainEqual(step)
          skipped.add(step.call)
          continue
        }
        await expectLinksKept(step)
        mirror = await start()
        const files = await filesBelow(join(folder.path, 'data'))
        expect(files.filter((file) => file.includes('spool'))).toEqual([])
        expect((await pull(mirror, wanted))?.equals(layer)).toBe(true)
      }
    } finally {
      await mirror.kill()
    }
  })
})

/** @param ended calls that are not made as often */
function* steps(ended: ReadonlySet<string>): Iterable<Step> {
  if (process.env.MIRROR_KILLS !== 'all') return yield* SOME_STEPS
  for (const call of CALLS) for (let time = 1; !ended.has(call); time++) yield { call, time }
}

function start(): Promise<ServerProcess> {
  return startEntrepot({
    ...{ dataFolder: join(folder.path, 'data'), configFolder: folder.path },
    config: { proxy: { remoteurl: upstream.url }, mirroring: { memory: '1MiB' } },
    // strace counts the calls of each thread by itself.
    environment: { ...TRACED_ENVIRONMENT, UV_THREADPOOL_SIZE: '1' },
  })
}

interface WantedBlob {
  /** One of its own for each step. */
  readonly repository: string
  readonly digest: string
}

function addImage(layer: Buffer, repository: string): WantedBlob {
  const layers = [descriptorOf('', { digest: digestOf(layer), size: layer.length })]
  upstream.addBlob(layer)
  const digest = upstream.addManifest(Buffer.from(payloadOf(imageJson({ layers }))), MediaType.ociManifest)
  upstream.setTag(repository, 'v1', digest)
  return { repository, digest: digestOf(layer) }
}

async function pull({ url }: ServerProcess, { repository, digest }: WantedBlob): Promise<Buffer | undefined> {
  try {
    const client = new RegistryClient(url)
    await client.manifest(repository, 'v1')
    return await client.blob(repository, digest)
  } catch {
    return undefined // it was killed
  }
}

async function untilKilledOrStored(
  mirror: ServerProcess,
  { repository, digest }: WantedBlob,
): Promise<boolean> {
  const ended = mirror.exited.then(() => true)
  const isStored = async () => {
    const files = await filesBelow(join(folder.path, 'data', layoutRoot, 'repositories', repository))
    const isLinked = files.includes(`_layers/sha256/${digest.slice(7)}/link`)
    return isLinked && !files.some((file) => file.startsWith('_uploads/'))
  }
  const stored = expect.poll(isStored, { timeout: 60_000 }).toBe(true)
  const isKilled = await Promise.race([ended, stored.then(() => false)])
  stored.catch(() => undefined)
  return isKilled
}

/** Each link names content, which is right. */
async function expectLinksKept({ call, time }: Step): Promise<void> {
  const data = join(folder.path, 'data')
  const links = (await filesBelow(data)).filter((file) => file.endsWith('/link'))
  for (const link of links) {
    const digest = await readFile(join(data, link), 'utf8')
    const hex = digest.slice(7)
    const path = join(data, layoutRoot, 'blobs/sha256', hex.slice(0, 2), hex, 'data')
    expect(digestOf(await readFile(path)), `${link} after a kill at ${call} ${time}`).toBe(digest)
  }
}
