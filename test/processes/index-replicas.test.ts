/** Two servers without Redis, each with an index of its own: what is pushed to one is soon found by the other's search. */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { pushLayers, putImage } from '../lifecycle/support.ts'
import { describeWith } from '../support/describe-with.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import { RegistryClient } from '../support/registry-client.ts'
import type { RegistryOptions } from '../support/registry-process.ts'
import { S3Server } from '../support/s3-server.ts'
import type { ServerProcess } from '../support/server-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** One in the middle is looked at, because disks of shared machines stand still at times. */
const ROUNDS = 7
const WITHIN_MS = 1_000

async function finds({ url }: ServerProcess, tag: string): Promise<boolean> {
  const answer = await fetch(`${url}/v2/_entrepot/catalog/tags?q=team/app:${tag}`)
  expect(answer.status).toBe(200)
  return ((await answer.json()) as { tags: unknown[] }).tags.length > 0
}

/** Pushes to one, and asks the other until it knows. */
async function pushAndFind(options: Pick<RegistryOptions, 'storage'>): Promise<void> {
  await using folder = await temporaryFolder()
  const start = (name: string) =>
    startEntrepot({
      ...{ dataFolder: join(folder.path, 'data'), configFolder: folder.path, ...options },
      config: { index: { enabled: true, path: join(folder.path, `${name}.sqlite`), sweep: '1h' } },
    })
  await using one = await start('one')
  await using other = await start('other')
  await pushLayers(new RegistryClient(one.url), 'team/app')
  const took: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const tag = `round-${round}`
    expect((await putImage(one.url, `team/app:${tag}`, `image ${round}`)).status).toBe(201)
    const pushedAt = performance.now()
    while (!(await finds(other, tag))) await delay(20)
    took.push(performance.now() - pushedAt)
  }
  expect(took.sort((a, b) => a - b)[(ROUNDS - 1) / 2]).toBeLessThan(WITHIN_MS)
}

test('over a folder it is found within a second', () => pushAndFind({}))

describeWith(['versitygw'], 'over a bucket', () => {
  test('it is found within a second', async () => {
    await using server = await S3Server.start('versitygw')
    const { accessKey: accesskey, secretKey: secretkey, region, endpoint: regionendpoint, bucket } = server
    await pushAndFind({
      storage: { s3: { accesskey, secretkey, region, regionendpoint, bucket, secure: false } },
    })
  })
})
