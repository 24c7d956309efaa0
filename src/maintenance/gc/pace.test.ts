import { expect, test } from 'vitest'
import { RegistryError, StorageError } from '../../core/errors.ts'
import { Pace } from './pace.ts'

test('so many requests a second pass', async () => {
  const pace = new Pace(100)
  const startedAt = performance.now()
  for (let count = 0; count < 11; count++) await pace.take()
  expect(performance.now() - startedAt).toBeGreaterThan(95)
})

test('a storage that is too busy is asked again, half as often', async () => {
  const pace = new Pace(1_000)
  let attempts = 0
  const answer = await pace.during(async () => {
    attempts++
    if (attempts === 1) throw new RegistryError('UNAVAILABLE')
    return 'answer'
  })
  expect([answer, attempts, pace.intervalMs]).toEqual(['answer', 2, 20])
})

test('what fails for another reason is not asked again', async () => {
  const pace = new Pace(0)
  const error = new StorageError('BACKEND_FAILED', { path: '/a' })
  await expect(pace.during(() => Promise.reject(error))).rejects.toBe(error)
  expect(pace.intervalMs).toBe(0)
})

test('it goes faster again once all is well', async () => {
  const pace = new Pace(0)
  let isFirst = true
  const request = async () => {
    if (!isFirst) return
    isFirst = false
    throw new StorageError('BUSY', { path: '/a' })
  }
  await pace.during(request)
  expect(pace.intervalMs).toBe(20)
  await Promise.all(Array.from({ length: 10 }, () => pace.during(request)))
  expect(pace.intervalMs).toBe(20)
})
