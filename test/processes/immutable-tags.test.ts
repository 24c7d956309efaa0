/** Two servers that set the same immutable tag at the same time, over a folder and over a bucket. */
import { expect, test } from 'vitest'
import { digestOfImage, pushLayers, putImage } from '../lifecycle/support.ts'
import { describeWith } from '../support/describe-with.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import { RegistryClient } from '../support/registry-client.ts'
import type { RegistryOptions } from '../support/registry-process.ts'
import { S3Server } from '../support/s3-server.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** Races; 10,000 by hand. */
const ROUNDS = Number(process.env.RACE_ROUNDS ?? 100)

const config = { policies: { immutable: [{ repositories: ['team/*'], tags: ['v*'] }] } }

/** Races two pushes in each round, and looks at the tag afterwards. */
async function race(rounds: number, options: Pick<RegistryOptions, 'storage'>): Promise<void> {
  await using folder = await temporaryFolder()
  const start = () =>
    startEntrepot({ dataFolder: `${folder.path}/data`, configFolder: folder.path, config, ...options })
  const servers = [await start(), await start()]
  try {
    await pushLayers(new RegistryClient(servers[0]!.url), 'team/app')
    const won = [0, 0]
    for (let round = 0; round < rounds; round++) {
      const images = servers.map((_, index) => `image ${round} of ${index}`)
      const place = `team/app:v${round}`
      const answers = await Promise.all(servers.map(({ url }, index) => putImage(url, place, images[index]!)))
      const statuses = answers.map(({ status }) => status)
      expect([...statuses].sort()).toEqual([201, 409])
      const winner = statuses.indexOf(201)
      won[winner]!++
      for (const { url } of servers) {
        const tag = await fetch(`${url}/v2/team/app/manifests/v${round}`, { method: 'HEAD' })
        expect(tag.headers.get('docker-content-digest')).toBe(digestOfImage(images[winner]!))
      }
    }
    // Otherwise it was no race.
    expect(Math.min(...won)).toBeGreaterThan(0)
  } finally {
    for (const server of servers) await server.kill()
  }
}

test(
  `over a folder one of two pushes wins in each of ${ROUNDS} rounds, and the other is refused`,
  {
    timeout: 300_000 + ROUNDS * 500,
  },
  () => race(ROUNDS, {}),
)

describeWith(['versitygw'], 'over a bucket', () => {
  test(`one of two pushes wins in each of ${ROUNDS} rounds, and the other is refused`, {
    timeout: 300_000 + ROUNDS * 500,
  }, async () => {
    await using server = await S3Server.start('versitygw')
    const { accessKey: accesskey, secretKey: secretkey, region, endpoint: regionendpoint, bucket } = server
    const s3 = { accesskey, secretkey, region, regionendpoint, bucket, secure: false }
    await race(ROUNDS, { storage: { s3, redirect: { disable: true } } })
  })
})
