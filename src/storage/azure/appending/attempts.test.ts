import { RestError } from '@azure/storage-blob'
import { expect, it } from 'vitest'
import { Attempts } from './attempts.ts'

const attempts = new Attempts({ max_retries: 2, retry_delay: 1 })
const lost = new RestError('no answer', { code: 'ECONNRESET' })
const refused = new RestError('refused', { statusCode: 412 })

/** Runs the steps in turn: throws errors, returns the rest; repeats the last one. */
function inTurn(steps: (RestError | string | undefined)[]) {
  const calls = { count: 0 }
  const step = async () => {
    const next = steps[Math.min(calls.count++, steps.length - 1)]
    if (next instanceof Error) throw next
    return next
  }
  return { step, calls }
}

it.each<[string, (RestError | string)[], (RestError | string | undefined)[], string | RestError, number[]]>([
  ['carried out', ['done'], [], 'done', [1, 0]],
  ['refused at once', [refused], ['seen'], refused, [1, 0]],
  ['carried out, as is seen', [lost], ['seen'], 'seen', [1, 1]],
  ['sent again', [lost, 'done'], [undefined], 'done', [2, 1]],
  ['refused because it came through', [lost, refused], [undefined, 'seen'], 'seen', [2, 2]],
  ['refused because somebody else was first', [lost, refused], [undefined], refused, [2, 2]],
  ['never known', [lost], [undefined], lost, [3, 3]],
  ['refused, but not known why', [lost, refused], [undefined, lost], lost, [3, 3]],
  ['refused by what is seen', [lost], [refused], refused, [1, 1]],
])('a request is %s', async (_what, sent, looked, outcome, counts) => {
  const [send, look] = [inTurn(sent), inTurn(looked)]
  const settled = attempts.settle(
    () => send.step() as Promise<string>,
    () => look.step(),
  )
  if (typeof outcome === 'string') expect(await settled).toBe(outcome)
  else await expect(settled).rejects.toBe(outcome)
  expect([send.calls.count, look.calls.count]).toEqual(counts)
})
