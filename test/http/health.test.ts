import { describe, expect, test } from 'vitest'
import type { Health } from '../../src/core/health.ts'
import { HttpRegistry, refusal } from '../support/http-registry.ts'

const failing: Health = { failures: new Map([['/stop', 'file exists']]), hasStarted: true }
const starting: Health = { failures: new Map(), hasStarted: false }

async function statuses(registry: HttpRegistry, paths: readonly string[]) {
  return Promise.all(paths.map(async (path) => [path, (await registry.send(`GET ${path}`)).status]))
}

describe('while a health check fails', () => {
  test('every request is refused, in the words of Distribution', async () => {
    await using registry = await HttpRegistry.start({ health: failing })
    for (const request of ['GET /v2/', 'GET /v2/_catalog', 'HEAD /v2/a/manifests/b', 'GET /']) {
      const answer = await registry.send(request)
      expect([request, answer.status]).toEqual([request, 503])
      expect(answer.headers['retry-after']).toBe('1')
    }
    expect(JSON.parse((await registry.send('POST /v2/a/blobs/uploads/')).body.toString())).toEqual({
      errors: [
        {
          code: 'UNAVAILABLE',
          message: 'service unavailable',
          detail: 'health check failed: please see /debug/health',
        },
      ],
    })
  })

  test('the registry is alive, started, and not ready', async () => {
    await using registry = await HttpRegistry.start({ health: failing })
    expect(await statuses(registry, ['/livez', '/startupz', '/readyz'])).toEqual([
      ['/livez', 200],
      ['/startupz', 200],
      ['/readyz', 503],
    ])
  })
})

test('until storage has answered the registry is alive, neither started nor ready, and tries all the same', async () => {
  await using registry = await HttpRegistry.start({ health: starting })
  expect(await statuses(registry, ['/livez', '/startupz', '/readyz', '/v2/'])).toEqual([
    ['/livez', 200],
    ['/startupz', 503],
    ['/readyz', 503],
    ['/v2/', 200],
  ])
  expect(refusal(await registry.send('GET /readyz'))).toBe('503 UNAVAILABLE')
})
