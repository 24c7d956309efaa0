/** A registry over a store of whose answers one in twenty is a fault: nothing that it acknowledged is lost, hardly anything
 *  fails, and what is left behind is found. */
import { describe, expect, test } from 'vitest'
import { uploadPurging } from '../../src/maintenance/upload-purging.ts'
import { S3Driver } from '../../src/storage/s3.ts'
import { atRate, type Fault, FaultyProxy } from '../support/faulty-proxy.ts'
import { HttpRegistry, quiet } from '../support/http-registry.ts'
import { contentOf, imageManifest, mediaTypes, sha256 } from '../support/oci-image.ts'
import { seededRandom } from '../support/random.ts'
import { MIB, s3ServerForTests, s3Settings, skipReason } from '../support/s3-driver.ts'
import { s3Answers } from '../support/store-answers.ts'

const RATE = 0.05
const ROUNDS = 60
const AT_ONCE = 8

const faults: readonly Fault[] = [
  s3Answers.internalError(),
  s3Answers.busy(),
  { kind: 'reset' },
  { kind: 'lose-answer' },
  { kind: 'stall' },
  { kind: 'truncate', bytes: 20 },
]

describe.skipIf(skipReason('versitygw'))(`one fault in twenty${skipReason('versitygw') ?? ''}`, () => {
  const server = s3ServerForTests('versitygw')

  test('nothing acknowledged is lost, and hardly anything fails', async () => {
    await using proxy = await FaultyProxy.start(server().endpoint)
    const settings = s3Settings(server())
    const through = { ...settings, regionendpoint: proxy.endpoint }
    const driver = await S3Driver.open(through, { log: quiet, timeoutMs: 500 })
    await using registry = await HttpRegistry.start({ driver, settings: { redirects: undefined } })
    proxy.fault = atRate(RATE, { seed: 'faults', faults })
    const acknowledged = new Map<string, Buffer>()
    const requests = { all: 0, failed: 0 }
    const send: HttpRegistry['send'] = async (...request) => {
      const answer = await registry.send(...request)
      requests.all++
      if (answer.status >= 500) requests.failed++
      return answer
    }
    const work = async (worker: number) => {
      const random = seededRandom(`worker ${worker}`)
      for (let round = 0; round < ROUNDS; round++) {
        const isLarge = round % 20 === worker
        const content = random.bytes(isLarge ? 11 * MIB : 1 + random.below(50_000))
        await pushAndPull(send, { content, name: `r${worker}/${round}`, acknowledged })
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, (_, worker) => work(worker)))
    proxy.fault = () => undefined
    const failedShare = requests.failed / requests.all
    console.info(
      `${requests.all} requests, ${requests.failed} failed; the store had ${proxy.requests.length} requests`,
    )
    expect(requests.all).toBeGreaterThan(2_000)
    expect(failedShare).toBeLessThanOrEqual(0.001)
    expect(acknowledged.size).toBeGreaterThanOrEqual(AT_ONCE * ROUNDS * 1.9)

    const fresh = await S3Driver.open(settings, { log: quiet })
    await using witness = await HttpRegistry.start({ driver: fresh, settings: { redirects: undefined } })
    const lost: string[] = []
    for (const [path, content] of acknowledged) {
      const { status, body } = await witness.send(`GET ${path}`)
      if (status !== 200 || !body.equals(content)) lost.push(path)
    }
    expect(lost).toEqual([])

    for await (const step of uploadPurging(witness.registry, { ageMs: 0, now: Date.now() + 60_000 }))
      await step.run()
    const left: string[] = []
    for await (const { path } of fresh.incompleteUploads()) left.push(path)
    for await (const upload of witness.registry.uploads()) left.push(upload.id)
    expect(left).toEqual([])
  }, 240_000)
})

/** A blob, in one request or three, and a manifest with it, and both are read back. */
async function pushAndPull(
  send: HttpRegistry['send'],
  { content, name, acknowledged }: { content: Buffer; name: string; acknowledged: Map<string, Buffer> },
): Promise<void> {
  const config = contentOf(content, mediaTypes.config)
  const blob = `/v2/${name}/blobs/${config.descriptor.digest}`
  const begun = await send(`POST /v2/${name}/blobs/uploads/`)
  if (begun.status !== 202) return
  const patched = await send(`PATCH ${begun.headers.location}`, { body: content })
  if (patched.status !== 202) return
  const finished = await send(`PUT ${patched.headers.location}?digest=${config.descriptor.digest}`)
  if (finished.status !== 201) return
  acknowledged.set(blob, content)
  const manifest = imageManifest(config, [])
  const headers = { 'content-type': mediaTypes.manifest }
  const put = await send(`PUT /v2/${name}/manifests/latest`, { body: manifest.bytes, headers })
  if (put.status === 201) acknowledged.set(`/v2/${name}/manifests/latest`, manifest.bytes)
  // A push that was answered with a failure may have come through all the same; it is never other bytes.
  for (const [path, sent] of [
    [blob, content],
    [`/v2/${name}/manifests/latest`, manifest.bytes],
  ] as const) {
    const { status, body } = await send(`GET ${path}`)
    if (status === 200) expect(sha256(body)).toBe(sha256(sent))
  }
}
