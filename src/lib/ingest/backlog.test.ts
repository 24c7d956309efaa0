import { expect, test } from 'vitest'
import { Backlog, Target } from './backlog.ts'

const KIB = 1024

/** Bytes that can be added before somebody has to wait, in steps of 16 KiB. */
function fill(backlog: Backlog, target: Target): number {
  for (;;) {
    backlog.add(target, 16 * KIB)
    if (backlog.room(target) !== undefined) return target.waitingBytes
  }
}

test('what was begun first may have the most bytes waiting, all the others together not much more, and each a little', () => {
  const backlog = new Backlog()
  const targets = Array.from({ length: 40 }, (_, index) => new Target(index))
  // Whoever is busy counts.
  for (const target of targets) backlog.add(target, 1)
  const shares = targets.map((target) => fill(backlog, target))
  expect(shares).toEqual(shares.toSorted((one, other) => other - one))
  expect(shares[0]).toBeGreaterThan(1500 * KIB)
  expect(shares.at(-1)).toBeGreaterThan(64 * KIB)
  const bytes = shares.reduce((sum, share) => sum + share)
  expect(bytes).toBeLessThan(9 * KIB * KIB)
})

test('who waits goes on once half of the share is done', async () => {
  const backlog = new Backlog()
  const [one, other] = [new Target(1), new Target(2)]
  fill(backlog, one)
  fill(backlog, other)
  const rooms = [one, other].map((target) => backlog.room(target))
  backlog.makeRoom()
  expect(backlog.room(one)).toBe(rooms[0])
  backlog.remove(one, one.waitingBytes - 700 * KIB)
  backlog.makeRoom()
  await rooms[0]
  expect(backlog.isFull).toBe(true)
  expect(backlog.room(one)).toBeUndefined()
  backlog.remove(one, one.waitingBytes)
  backlog.makeRoom()
  expect(backlog.isFull).toBe(true)
  backlog.remove(other, other.waitingBytes)
  backlog.makeRoom()
  await rooms[1]
  expect(backlog.isFull).toBe(false)
})

test('in the end nobody waits', async () => {
  const backlog = new Backlog()
  const target = new Target(1)
  fill(backlog, target)
  const room = backlog.room(target)
  backlog.end()
  await room
  expect(backlog.isFull).toBe(false)
})
