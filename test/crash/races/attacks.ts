/** Ways to make a registry of several processes take other bytes than those that it has hashed. */
import { setTimeout as delay } from 'node:timers/promises'
import { sha256 } from '../../support/oci-image.ts'
import type { AttackedUpload } from './attacked-upload.ts'
import type { HeldRequest } from './held-request.ts'
import type { Target } from './targets.ts'

export type Attack = (upload: AttackedUpload, target: Target) => Promise<void>

const MOMENT_MS = 30
const MAX_TAIL_BYTES = 1_000
const MAX_FINISHES = 20

/** Several writers begin at the same place before any of them has written, and end in any order. */
async function openedAtOnce(upload: AttackedUpload, target: Target): Promise<void> {
  const { game } = upload
  const { random } = game
  const { good, evil } = target
  const bodies = random.below(2) === 0 ? [good, evil] : [evil, good, evil]
  const offset = random.below(2) === 0 ? 0 : undefined
  const opened = await Promise.all(
    bodies.map((body) => upload.openPatch(body.length, { offset, note: body === good ? 'good' : 'evil' })),
  )
  const writing = Promise.all(opened.map((held, index) => writeSlowly(upload, held, bodies[index]!)))
  if (random.below(4) === 0) {
    await game.pause(MOMENT_MS)
    await upload.cancel()
  }
  if (random.below(3) > 0) await writing
  await finishAsBoth(upload, target)
  await writing
}

async function writeSlowly({ game }: AttackedUpload, held: HeldRequest, bytes: Buffer): Promise<void> {
  const middle = game.random.below(bytes.length)
  await game.pause(MOMENT_MS)
  held.send(bytes.subarray(0, middle))
  await game.pause(MOMENT_MS)
  await held.end(bytes.subarray(middle))
}

/** While a finish waits for the end of its body, the upload is removed and filled again. */
async function heldFinish(upload: AttackedUpload, target: Target): Promise<void> {
  const { game } = upload
  const { random } = game
  const { good, evil, digest } = target
  const end = good.length - (random.below(2) === 0 ? 0 : random.below(Math.min(good.length, MAX_TAIL_BYTES)))
  await upload.patch(good.subarray(0, end), { note: 'good', at: upload.elsewhere() })
  const elsewhere = upload.elsewhere()
  const held = await upload.openPut(digest, {
    note: `held, ${good.length - end} bytes to come`,
    at: elsewhere,
  })
  const offset = random.below(2) === 0 ? 0 : undefined
  const refill = async () => {
    if (random.below(4) > 0) await upload.cancel(upload.elsewhere())
    await upload.patch(evil.subarray(0, end), { offset, note: 'evil', at: upload.home })
  }
  const refilling = refill()
  await (random.below(3) > 0 ? refilling : game.pause(MOMENT_MS))
  await held.end(good.subarray(end))
  await refilling
  if (random.below(2) === 0) await finishAsBoth(upload, target)
}

/** The process that began the upload need not know that it was filled elsewhere: it writes to it from the start, and stops
 *  before the end, while the upload is finished. */
async function filledTwice(upload: AttackedUpload, target: Target): Promise<void> {
  const { game, home } = upload
  const { random } = game
  const { good, evil, digest } = target
  await upload.patch(good, { note: 'good', at: upload.elsewhere() })
  if (random.below(4) === 0) await upload.cancel(upload.elsewhere())
  const held = await upload.openPatch(undefined, { note: 'evil', at: home })
  held.send(evil)
  await game.pause(2 * MOMENT_MS)
  const finishing = upload.put(digest, { note: 'as good', at: upload.elsewhere() })
  await (random.below(3) > 0 ? finishing : game.pause(MOMENT_MS))
  await held.end()
  await finishing
  if (random.below(2) === 0) await finishAsBoth(upload, target)
}

/** Two finish with last bytes of their own, some milliseconds apart. */
async function twoTails(upload: AttackedUpload, { good, evil }: Target): Promise<void> {
  const { game } = upload
  const { random } = game
  const length = 1 + random.below(Math.min(good.length, MAX_TAIL_BYTES))
  const begun = random.below(4) > 0 ? good : Buffer.alloc(0)
  if (begun.length > 0) await upload.patch(begun, { note: 'good' })
  const tails = [good.subarray(0, length), evil.subarray(0, length)]
  const opened = await Promise.all(
    tails.map((tail, index) =>
      upload.openPut(sha256(Buffer.concat([begun, tail])), { note: `tail ${index}` }),
    ),
  )
  const apartMs = random.below(4 * MOMENT_MS)
  const finish = async (held: HeldRequest, index: number) => {
    const tail = tails[index]!
    held.send(tail.subarray(0, 1))
    await delay(index * apartMs)
    await held.end(tail.subarray(1))
  }
  await Promise.all(opened.map(finish))
}

/** Two write at the same place, and nobody removes anything: one at most is acknowledged, and then its bytes stay. */
async function oneWinner(upload: AttackedUpload, { good, evil }: Target): Promise<void> {
  const { game } = upload
  const { random } = game
  const write = async (bytes: Buffer) => {
    await game.pause(MOMENT_MS)
    const answer = await upload.patch(bytes, { offset: 0, note: bytes === good ? 'good' : 'evil' })
    return answer?.status === 202 ? [bytes] : []
  }
  const acknowledged = (await Promise.all([write(good), write(evil)])).flat()
  if (acknowledged.length > 1) game.report('two were acknowledged that wrote at the same place')
  const [winner] = acknowledged
  if (winner === undefined) return
  const tail = random.bytes(random.below(2) === 0 ? 0 : 1 + random.below(MAX_TAIL_BYTES))
  await expectFinished(upload, { bytes: Buffer.concat([winner, tail]), rest: tail })
}

/** A client that was acknowledged all its bytes gets its blob. One that is refused for another that is writing tries again. */
async function expectFinished(
  upload: AttackedUpload,
  { bytes, rest }: { bytes: Buffer; rest: Buffer },
): Promise<void> {
  const digest = sha256(bytes)
  for (let attempt = 1; attempt <= MAX_FINISHES; attempt++) {
    const answer = await upload.put(digest, {
      ...(rest.length > 0 && { rest }),
      note: 'of the acknowledged bytes',
    })
    if (answer?.status === 201) return
    await delay(MOMENT_MS)
  }
  upload.game.report('acknowledged bytes cannot be finished')
}

/** Any requests in any order, by three clients at once. */
async function anything(upload: AttackedUpload, target: Target): Promise<void> {
  const { game } = upload
  const plans = Array.from({ length: 3 }, () =>
    Array.from({ length: 2 + game.random.below(4) }, () => anyStep(upload, target)),
  )
  const follow = async (plan: readonly (() => Promise<unknown>)[]) => {
    for (const step of plan) {
      await game.pause(MOMENT_MS)
      await step()
    }
  }
  await Promise.all(plans.map(follow))
  await finishAsBoth(upload, target)
}

function anyStep(upload: AttackedUpload, { good, evil, digest }: Target): () => Promise<unknown> {
  const { game } = upload
  const { random } = game
  const note = random.pick(['good', 'evil'])
  const bytes = note === 'good' ? good : evil
  const middle = random.below(bytes.length)
  const [first, rest] = [bytes.subarray(0, middle), bytes.subarray(middle)]
  const maybeAt = (offset: number) => (random.below(2) === 0 ? offset : undefined)
  const [atStart, atMiddle] = [maybeAt(0), maybeAt(middle)]
  const hold = async (held: HeldRequest) => {
    held.send(first)
    await game.pause(2 * MOMENT_MS)
    await held.end(rest)
  }
  return random.pick([
    () => upload.patch(bytes, { offset: atStart, note }),
    () => upload.patch(first, { offset: atStart, note: `${note}, its beginning` }),
    () => upload.patch(rest, { offset: atMiddle, note: `${note}, its end` }),
    async () => hold(await upload.openPatch(bytes.length, { offset: atStart, note: `${note}, held` })),
    async () => hold(await upload.openPut(digest, { note: `${note}, held` })),
    async () => (await upload.openPatch(bytes.length, { offset: atStart, note: 'hung up' })).breakOff(),
    () => upload.put(digest, { note: 'nothing' }),
    () => upload.put(digest, { rest, note: `${note}, its end` }),
    () => upload.cancel(),
    () => upload.look(),
  ])
}

/** What was written may be any of them. */
async function finishAsBoth(upload: AttackedUpload, { evil, digest }: Target): Promise<void> {
  const finish = async (wanted: string, note: string) => {
    await upload.game.pause(MOMENT_MS)
    await upload.put(wanted, { note })
  }
  await Promise.all([finish(digest, 'as good'), finish(sha256(evil), 'as evil')])
}

export const ATTACKS: Readonly<Record<string, Attack>> = {
  'opened at once': openedAtOnce,
  'held finish': heldFinish,
  'filled twice': filledTwice,
  'two tails': twoTails,
  'one winner': oneWinner,
  anything,
}
