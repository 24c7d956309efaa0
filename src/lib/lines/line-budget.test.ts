import { expect, test } from 'vitest'
import { LineBudget } from './line-budget.ts'

test('lines beyond the budget are counted, and the next one says how many', async () => {
  const budget = new LineBudget({ burst: 2, perSecond: 20 })
  expect([budget.take(), budget.take(), budget.take(), budget.take()]).toEqual([0, 0, undefined, undefined])
  await expect.poll(() => budget.take(), { interval: 1 }).toBeGreaterThanOrEqual(2)
})
