/** What Prometheus's own linter says of the metrics. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { describeWith } from '../support/describe-with.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import { gzippedLayer, imageOf } from '../support/oci-image.ts'
import { RedisProcess } from '../support/redis-process.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { requireTool } from '../support/tools.ts'

async function lint(metrics: string): Promise<string> {
  const promtool = spawn(requireTool('promtool'), ['check', 'metrics'], { stdio: 'pipe' })
  promtool.stdin.end(metrics)
  const [stdout, stderr] = await Promise.all([
    text(promtool.stdout),
    text(promtool.stderr),
    once(promtool, 'close'),
  ])
  return stdout + stderr
}

describeWith(['promtool', 'redis-server'], 'promtool', () => {
  test.each([1, 2])('has nothing to say of %i processes', async (workers) => {
    await using folder = await temporaryFolder()
    await using redis = await RedisProcess.start()
    await using server = await startEntrepot({
      dataFolder: join(folder.path, 'data'),
      configFolder: folder.path,
      config: {
        http: { addr: '127.0.0.1:0', workers, debug: { addr: '127.0.0.1:0', prometheus: { enabled: true } } },
        redis: { addr: redis.address },
      },
    })
    const client = new RegistryClient(server.url)
    const image = imageOf([gzippedLayer([{ path: 'file', content: 'content' }])])
    await client.pushImage('a', { tag: 'latest', image })
    await client.manifest('a', 'latest')
    const url = /"debugAddress":"([^"]+)"/.exec(server.output)?.[1]
    const metrics = await (await fetch(`${url}/metrics`)).text()
    expect(metrics).toContain('registry_http_requests_total{')
    expect(await lint(metrics)).toBe('')
  })

  test('is heard', async () => {
    expect(await lint('# HELP a_total Words.\n# TYPE a_total gauge\na_total 1\n')).toContain(
      '"_total" suffix',
    )
  })
})
