import { beforeEach, expect, test } from 'vitest'
import { UpstreamError, type UpstreamErrorCode } from '../../core/upstream/upstream-error.ts'
import { Breaker, type RequestKind } from './breaker.ts'

let now: number
let breaker: Breaker
let sent: number
beforeEach(() => {
  now = 0
  sent = 0
  breaker = new Breaker(() => now)
})

/** One request, which succeeds or fails. */
async function call(
  code?: UpstreamErrorCode,
  kind: RequestKind = 'tag',
  retryAfterMs?: number,
): Promise<string> {
  try {
    return await breaker.call(kind, async () => {
      sent++
      if (code !== undefined) throw new UpstreamError(code, { message: 'failed', retryAfterMs })
      return 'answered'
    })
  } catch (error) {
    return (error as UpstreamError).code
  }
}

async function open(): Promise<void> {
  for (let failure = 1; failure <= 3; failure++) await call('UNREACHABLE')
  expect(breaker.state).toBe('open')
}

test('opens after three failures in a row, and then sends nothing', async () => {
  for (const code of ['FAILED', 'TIMEOUT', undefined, 'UNREACHABLE', 'FAILED'] as const) await call(code)
  expect(breaker.state).toBe('closed')
  expect(await call('TIMEOUT')).toBe('TIMEOUT')
  expect(breaker.state).toBe('open')
  expect(await call()).toBe('TIMEOUT')
  expect(sent).toBe(6)
})

test('lets one request through after the pause, whose success closes it', async () => {
  await open()
  now += 2_000
  expect(breaker.state).toBe('half-open')
  const answer = Promise.withResolvers<string>()
  const probe = breaker.call('tag', () => answer.promise)
  expect(await call()).toBe('UNREACHABLE')
  answer.resolve('answered')
  expect(await probe).toBe('answered')
  expect(breaker.state).toBe('closed')
  expect(await call()).toBe('answered')
})

test('pauses twice as long after each failed probe, up to a minute', async () => {
  await open()
  for (const pause of [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]) {
    now += pause - 1
    expect(breaker.state).toBe('open')
    now += 1
    expect(breaker.state).toBe('half-open')
    await call('FAILED')
  }
})

test.each<UpstreamErrorCode>(['NOT_FOUND', 'REFUSED', 'INVALID', 'THROTTLED'])(
  'stays closed after %s, which shows that the upstream is up',
  async (code) => {
    for (let round = 1; round <= 5; round++) {
      await call(code)
      now += 20_000
    }
    expect([breaker.state, sent]).toEqual(['closed', 5])
  },
)

test('sends nothing of a throttled kind before its time, and other kinds', async () => {
  await call('THROTTLED', 'manifest', 5_000)
  expect(await call(undefined, 'manifest')).toBe('THROTTLED')
  expect(breaker.refusal('manifest')?.retryAfterMs).toBe(5_000)
  expect(await call(undefined, 'tag')).toBe('answered')
  now += 5_000
  expect(await call(undefined, 'manifest')).toBe('answered')
})
