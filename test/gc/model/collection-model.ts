/** The algorithm of docs/garbage-collection.md as a small model: blobs, manifests that need them, pushers, collectors that may stand still at
 *  any step and go on later, and a user who deletes. The storage is linearizable. */
import { type Add, type Exploration, explore, namesOf } from './explore.ts'

export interface ModelOptions {
  /** The blobs that each manifest needs, by number. A manifest's own bytes are no blob here unless it needs itself. */
  readonly manifests?: readonly (readonly number[])[]
  /** Which manifests each pusher pushes, one after the other. */
  readonly pushers?: readonly (readonly number[])[]
  readonly collectors?: number
  /** Collections of each collector. */
  readonly runs?: number
  /** How often a pusher begins anew when it is refused. */
  readonly retries?: number
  /** How often the user deletes a manifest. */
  readonly deletes?: number
  /** Blobs that are deleted at a time. */
  readonly batchSize?: number
  /** Blobs that stand at the beginning, as bits. */
  readonly blobs?: number
  /** Pushers know from a cache that the blobs are there. */
  readonly isCached?: boolean
  readonly maxStates?: number
  /** Deleted blobs are kept in quarantine, and put back by marks, and by reads at any time. */
  readonly isCoexisting?: boolean
  /** The manifest of each pusher that takes no part: it reads no state, and what it once knew it trusts for ever. */
  readonly plainPushers?: readonly number[]
  /** A registry ends a batch whose collector seems to be gone, at any time. */
  readonly isEnded?: boolean
  /** What is left out or done wrong. */
  readonly mutation?: Mutation
}

export type Mutation =
  | 'the state is not read again after the pin'
  | 'pins are listed before sealing'
  | 'no fence'
  | 'a fence by version'
  | 'no look at the end'
  | 'cached facts without the counter'
  | 'no second mark'
  | 'the second mark comes before the lists'
  | 'a batch counts once it is over, not when it is taken over'
  | 'a refused push takes its revision back'
  | 'lists that are gone condemn nothing'
  | 'the state is read before the revision is written'
  | 'a push does not wait for a batch'
  | 'a blob is put back by moving it'
  | 'the quarantine is emptied at the end'
  | 'a blob is deleted before it is copied'
  | 'a batch begins before the fence of the last one is closed'
  | 'a batch that a registry ends does not count'
  | 'a registry ends a batch without closing its fence'
  | 'the last manifest is an index of the first, which is all it looks for'

const [IDLE, MARK, CONDEMNED, SEALED] = [0, 1, 2, 3]
const MAX_EPOCH = 3
const NONE = -1

type State = Record<string, number>

const pusherSteps = [
  'begin',
  'look',
  'revision',
  'state',
  'lists',
  'pin',
  'last',
  'acknowledge',
  'done',
  'refused',
] as const
const collectorSteps = [
  'start',
  'take',
  'mark',
  'condemn',
  'again',
  'early',
  'seal',
  'pins',
  'send',
  'close',
  'unseal',
  'end',
  'over',
] as const
const P = Object.fromEntries(pusherSteps.map((name, index) => [name, index])) as Record<
  (typeof pusherSteps)[number],
  number
>
const C = Object.fromEntries(collectorSteps.map((name, index) => [name, index])) as Record<
  (typeof collectorSteps)[number],
  number
>

export function checkModel(options: ModelOptions): Exploration {
  const {
    manifests = [[0]],
    pushers = [[0]],
    collectors = 2,
    runs = 1,
    retries = 2,
    deletes = 1,
    batchSize = 8,
    blobs = 1,
    isCached = false,
    maxStates = 3_000_000,
    isCoexisting = false,
    plainPushers = [],
    isEnded = false,
    mutation,
  } = options
  const is = (one: Mutation) => mutation === one
  const blobCount = Math.max(...manifests.flat()) + 1
  const bitsOf = manifests.map((needs) => needs.reduce((bits, blob) => bits | (1 << blob), 0))

  const initial: State = {
    // What stands: blobs and revisions, as bits; what was acknowledged.
    ...{ blobs, revisions: 0, acknowledged: 0, deletes },
    // The state of the collection, and its lists and pins.
    ...{ phase: IDLE, epoch: 0, holder: NONE, from: 0, to: 0, deletions: 0, lists: 0, listsOf: NONE },
    // The quarantine, as bits; what pushers have acknowledged that take no part.
    ...{ kept: 0, plainly: 0 },
    // What a registry has read of the state to end a batch.
    ended: 0,
  }
  for (const q of plainPushers.keys())
    Object.assign(initial, { [`q${q}`]: 0, [`q${q}facts`]: isCached ? blobs : 0 })
  for (let blob = 0; blob < blobCount; blob++) Object.assign(initial, { [`pin${blob}`]: NONE })
  for (const p of pushers.keys()) {
    Object.assign(initial, {
      [`p${p}`]: P.begin,
      [`p${p}manifest`]: 0,
      [`p${p}retries`]: retries,
      [`p${p}since`]: isCached ? 0 : NONE,
    })
    // Facts it has, as bits; what it has read of the state; whether it was touched; whether its revision was deleted since.
    Object.assign(initial, {
      [`p${p}facts`]: isCached ? blobs : 0,
      [`p${p}phase`]: NONE,
      [`p${p}epoch`]: NONE,
      [`p${p}from`]: 0,
      [`p${p}to`]: 0,
    })
    Object.assign(initial, {
      [`p${p}deletions`]: NONE,
      [`p${p}touched`]: 0,
      [`p${p}pinned`]: NONE,
      [`p${p}lost`]: 0,
      [`p${p}list`]: 0,
    })
  }
  for (let c = 0; c < collectors; c++) {
    Object.assign(initial, {
      [`c${c}`]: C.start,
      [`c${c}runs`]: runs,
      [`c${c}epoch`]: NONE,
      [`c${c}candidates`]: 0,
      [`c${c}from`]: 0,
      [`c${c}copied`]: 0,
    })
    // Deletions that are under way, as bits, and whether their fence is closed; what it has read of the state to take it over.
    Object.assign(initial, { [`c${c}doomed`]: 0, [`c${c}sent`]: 0, [`c${c}closed`]: 0, [`c${c}seen`]: 0 })
  }

  const steps = (s: State, add: Add): void => {
    for (const p of pushers.keys()) pusherNext(s, p, add)
    for (let c = 0; c < collectors; c++) collectorNext(s, c, add)
    if (s.deletes! > 0) userNext(s, add)
    for (const q of plainPushers.keys()) plainNext(s, q, add)
    if (isEnded) registryNext(s, add)
    const missing = s.kept! & ~s.blobs!
    if (missing !== 0) add(`a reader puts blob ${missing & -missing} back`, putBack(s, missing & -missing))
  }

  /** Blobs of the quarantine that are missing are there again. */
  function putBack(s: State, bits: number): State {
    const back = bits & s.kept! & ~s.blobs!
    const left = is('a blob is put back by moving it') ? s.kept! & ~back : s.kept!
    return { blobs: s.blobs! | back, kept: left }
  }

  /** Of all registries: two that do the same do no more than one. */
  function registryNext(s: State, add: Add): void {
    if (s.phase === SEALED && s.ended !== seenOf(s)) {
      const isClosed = !is('a registry ends a batch without closing its fence')
      const closed: State = isClosed ? { [`c${s.holder}closed`]: 1 } : {}
      add(`a registry reads ${describeState(s)} and closes the fence`, { ...closed, ended: seenOf(s) })
    }
    if (s.ended === 0) return
    if (s.ended !== seenOf(s)) {
      add('a registry was late', { ended: 0 })
      return
    }
    const isCounted = !is('a batch that a registry ends does not count')
    add('a registry ends the batch', {
      ...{ phase: IDLE, holder: NONE, from: 0, to: 0, listsOf: NONE, lists: 0, ended: 0 },
      deletions: s.deletions! + (isCounted ? 1 : 0),
    })
  }

  function plainNext(s: State, q: number, add: Add): void {
    const manifest = plainPushers[q]!
    const [at, facts] = [s[`q${q}`]!, s[`q${q}facts`]!]
    const missing = bitsOf[manifest]! & ~facts
    const blob = missing & -missing
    if (at === 0 && missing !== 0)
      add(`Q${q} finds or uploads blob ${blob}`, { blobs: s.blobs! | blob, [`q${q}facts`]: facts | blob })
    else if (at === 0)
      add(`Q${q} writes revision ${manifest}`, { revisions: s.revisions! | (1 << manifest), [`q${q}`]: 1 })
    else if (at === 1)
      add(`Q${q} 201 for manifest ${manifest}`, {
        ...(s.revisions! & (1 << manifest) && { plainly: s.plainly! | (1 << manifest) }),
        ...{ [`q${q}`]: 2, [`q${q}facts`]: 0 },
      })
  }

  function userNext(s: State, add: Add): void {
    for (const m of manifests.keys()) {
      if ((s.revisions! & (1 << m)) === 0) continue
      const lost: State = {}
      for (const p of pushers.keys()) lost[`p${p}lost`] = s[`p${p}lost`]! | (1 << m)
      const left = ~(1 << m)
      const changes = {
        revisions: s.revisions! & left,
        acknowledged: s.acknowledged! & left,
        plainly: s.plainly! & left,
      }
      add(`the user deletes manifest ${m}`, { ...changes, deletes: s.deletes! - 1, ...lost })
    }
  }

  function pusherNext(s: State, p: number, add: Add): void {
    const get = (name: string) => s[`p${p}${name}`]!
    const set = (changes: State): State => prefixed(`p${p}`, changes)
    const manifest = pushers[p]![get('manifest')]!
    const isTrusting =
      manifest === manifests.length - 1 &&
      is('the last manifest is an index of the first, which is all it looks for')
    const needs = isTrusting ? bitsOf[manifest]! & ~bitsOf[0]! : bitsOf[manifest]!
    const refuse = (): State => {
      const takenBack: State = is('a refused push takes its revision back')
        ? { revisions: s.revisions! & ~(1 << manifest) }
        : {}
      if (get('retries') === 0) return { ...set({ at: P.refused, lost: 0 }), ...takenBack }
      return { ...set({ at: P.begin, retries: get('retries') - 1, facts: 0 }), ...takenBack }
    }
    const afterRevision = is('the state is read before the revision is written') ? P.last : P.state
    switch (get('')) {
      case P.begin: {
        // What it knew last of the state counts as the mark: reading it anew is never worse.
        add(`P${p} begins`, set({ at: P.look }))
        return
      }
      case P.look: {
        const missing = needs & ~get('facts')
        if (isTrusting && (s.revisions! & 1) === 0) return
        if (missing === 0) {
          add(
            `P${p} has all it needs`,
            set({ at: is('the state is read before the revision is written') ? P.state : P.revision }),
          )
          return
        }
        const blob = missing & -missing
        if ((s.blobs! & blob) !== 0) add(`P${p} finds blob ${blob}`, set({ facts: get('facts') | blob }))
        else if (!isInBatch(s, blob))
          add(`P${p} uploads blob ${blob}`, {
            blobs: s.blobs! | blob,
            ...set({ facts: get('facts') | blob }),
          })
        return
      }
      case P.revision:
        add(`P${p} writes revision ${manifest}`, {
          revisions: s.revisions! | (1 << manifest),
          ...set({ at: afterRevision, lost: get('lost') & ~(1 << manifest) }),
        })
        return
      case P.state: {
        const read = { phase: s.phase!, epoch: s.epoch!, from: s.from!, to: s.to!, deletions: s.deletions! }
        const isFree = s.phase === IDLE || s.phase === MARK
        const after = is('the state is read before the revision is written') ? P.revision : P.last
        const isWaitedFor =
          s.phase === SEALED && s.listsOf === s.epoch && (needs & rangeOf(s.from!, s.to!) & s.lists!) !== 0
        const isPinned = get('pinned') === s.epoch && (!isWaitedFor || is('a push does not wait for a batch'))
        add(
          `P${p} reads the state: ${describeState(s)}`,
          set(
            isFree || isPinned
              ? { at: after, ...FORGOTTEN, pinned: NONE, deletions: s.deletions! }
              : { at: P.lists, ...read },
          ),
        )
        return
      }
      case P.lists: {
        if (s.listsOf !== get('epoch')) {
          if (is('lists that are gone condemn nothing'))
            add(`P${p} finds no lists`, set({ at: P.last, ...FORGOTTEN, pinned: NONE }))
          else
            add(
              `P${p} finds no lists and reads the state again`,
              set({ at: P.state, touched: 1, ...FORGOTTEN, deletions: NONE }),
            )
          return
        }
        const condemned = needs & s.lists!
        const after = is('the state is read before the revision is written') ? P.revision : P.last
        if (condemned === 0)
          add(`P${p} finds nothing condemned`, set({ at: after, ...FORGOTTEN, pinned: NONE }))
        else if (
          get('phase') === SEALED &&
          (condemned & rangeOf(get('from'), get('to'))) !== 0 &&
          !is('a push does not wait for a batch')
        )
          add(`P${p} waits`, set({ at: P.state, touched: 1, ...FORGOTTEN, deletions: NONE }))
        else add(`P${p} finds ${condemned} condemned`, set({ at: P.pin, touched: 1, list: condemned }))
        return
      }
      case P.pin: {
        const pins: State = {}
        for (let blob = 0; blob < blobCount; blob++)
          if ((get('list') & (1 << blob)) !== 0) pins[`pin${blob}`] = Math.max(s[`pin${blob}`]!, get('epoch'))
        const isRead = !is('the state is not read again after the pin')
        add(`P${p} pins in epoch ${get('epoch')}`, {
          ...pins,
          ...set({
            at: isRead ? P.state : P.last,
            pinned: isRead ? get('epoch') : NONE,
            list: 0,
            ...FORGOTTEN,
            ...(isRead ? { deletions: NONE } : {}),
          }),
        })
        return
      }
      case P.last: {
        const isFresh = get('since') === get('deletions') || is('cached facts without the counter')
        const known = get('deletions')
        if (is('no look at the end') || (isFresh && get('touched') === 0))
          add(
            `P${p} trusts what it knows`,
            set({ at: P.acknowledge, since: known, touched: 0, deletions: NONE, facts: 0 }),
          )
        else if ((s.blobs! & needs) === needs)
          add(
            `P${p} looks: all is there`,
            set({ at: P.acknowledge, since: known, touched: 0, deletions: NONE, facts: 0 }),
          )
        else
          add(`P${p} looks: something is missing`, {
            ...refuse(),
            ...set({ since: known, touched: 0, deletions: NONE, facts: 0 }),
          })
        return
      }
      case P.acknowledge: {
        const isLost = (get('lost') & (1 << manifest)) !== 0
        const acknowledged = isLost ? s.acknowledged! : s.acknowledged! | (1 << manifest)
        const isMore = get('manifest') + 1 < pushers[p]!.length
        add(`P${p} 201 for manifest ${manifest}`, {
          acknowledged,
          ...set(
            isMore
              ? { at: P.begin, manifest: get('manifest') + 1 }
              : { at: P.done, since: NONE, retries: 0, lost: 0 },
          ),
        })
      }
    }
  }

  function collectorNext(s: State, c: number, add: Add): void {
    const get = (name: string) => s[`c${c}${name}`]!
    const set = (changes: State): State => prefixed(`c${c}`, changes)
    const isHolder = s.holder === c && s.epoch === get('epoch')
    const ended = (): State =>
      set({
        at: get('runs') > 1 ? C.start : C.over,
        runs: Math.max(0, get('runs') - 1),
        candidates: 0,
        doomed: 0,
        from: 0,
        seen: 0,
        copied: 0,
        closed: 0,
        epoch: NONE,
      })
    /** The state is what this collector has made it: then its swap comes through. */
    const swap = (label: string, phase: number, changes: State) => {
      if (isHolder && s.phase === phase) add(`C${c} ${label}`, changes)
      else add(`C${c} was replaced`, ended())
    }
    landDeletions(s, c, add)
    switch (get('')) {
      case C.start: {
        if (s.epoch! >= MAX_EPOCH) return
        const isFree = s.phase === IDLE
        if (!isFree && s.holder === c) return // a process that began anew: as another collector
        const takenOver = isFree || s.holder === NONE ? {} : { [`c${s.holder}closed`]: 1 }
        add(`C${c} reads ${describeState(s)}${isFree ? '' : ' and closes the fence'}`, {
          ...takenOver,
          ...set({ at: C.take, seen: seenOf(s) }),
        })
        return
      }
      case C.take: {
        if (seenOf(s) !== get('seen')) {
          add(`C${c} was late`, set({ at: C.start, seen: 0 }))
          return
        }
        const isCounted =
          s.phase === SEALED && !is('a batch counts once it is over, not when it is taken over')
        const epoch = s.epoch! + 1
        add(`C${c} begins epoch ${epoch}`, {
          ...{
            phase: MARK,
            epoch,
            holder: c,
            from: 0,
            to: 0,
            deletions: s.deletions! + (isCounted ? 1 : 0),
            listsOf: NONE,
            lists: 0,
          },
          ...set({ at: C.mark, epoch, closed: 0, seen: 0 }),
        })
        return
      }
      case C.mark: {
        const candidates = s.blobs! & ~marked(s)
        const back = putBack(s, marked(s))
        if (candidates === 0) add(`C${c} finds no garbage`, { ...back, ...set({ at: C.end }) })
        else
          add(`C${c} finds ${candidates} to be garbage`, {
            ...back,
            ...set({
              at: is('the second mark comes before the lists') ? C.early : C.condemn,
              candidates,
            }),
          })
        return
      }
      case C.early:
        add(`C${c} marks again, early`, set({ at: C.condemn, candidates: get('candidates') & ~marked(s) }))
        return
      case C.condemn:
        swap('condemns', MARK, {
          phase: CONDEMNED,
          lists: get('candidates'),
          listsOf: get('epoch'),
          ...set({
            at: is('no second mark') || is('the second mark comes before the lists') ? C.seal : C.again,
          }),
        })
        return
      case C.again:
        add(`C${c} marks again`, {
          ...putBack(s, marked(s)),
          ...set({ at: C.seal, candidates: get('candidates') & ~marked(s), from: 0 }),
        })
        return
      case C.seal: {
        const batch = firstBits(get('candidates') & ~rangeOf(0, get('from')), batchSize)
        if (batch === 0) {
          add(`C${c} has no more`, set({ at: C.end }))
          return
        }
        if (isCoexisting && get('copied') === 0) {
          const copied = is('a blob is deleted before it is copied') ? 0 : batch & s.blobs!
          const doomed = is('a blob is deleted before it is copied') ? batch : copied
          add(`C${c} copies ${copied}`, { kept: s.kept! | copied, ...set({ copied: 1, doomed }) })
          return
        }
        const [from, to] = [lowest(batch), highest(batch) + 1]
        const before: State = isCoexisting
          ? {}
          : is('pins are listed before sealing')
            ? { doomed: batch & ~pinned(s, get('epoch')) }
            : { doomed: batch }
        if (is('pins are listed before sealing') && get('doomed') === 0) {
          add(`C${c} lists the pins, early`, set(before))
          return
        }
        swap(`seals ${from} to ${to}`, CONDEMNED, {
          phase: SEALED,
          from,
          to,
          ...set({
            at: is('pins are listed before sealing') ? C.send : C.pins,
            from: to,
            closed: 0,
            ...(is('pins are listed before sealing') ? {} : before),
          }),
        })
        return
      }
      case C.pins:
        add(`C${c} lists the pins`, set({ at: C.send, doomed: get('doomed') & ~pinned(s, get('epoch')) }))
        return
      case C.send:
        add(`C${c} sends the deletions`, set({ at: C.close, sent: get('sent') | get('doomed'), doomed: 0 }))
        return
      case C.close:
        if (get('sent') === 0) add(`C${c} closes its fence`, set({ at: C.unseal, closed: 1 }))
        else if (is('a batch begins before the fence of the last one is closed'))
          add(`C${c} leaves its fence open`, set({ at: C.unseal }))
        return
      case C.unseal: {
        const batch = firstBits(get('candidates') & ~rangeOf(0, get('from')), batchSize)
        if (batch !== 0 && isHolder && s.phase === SEALED && !isCoexisting) {
          const [from, to] = [lowest(batch), highest(batch) + 1]
          add(`C${c} seals ${from} to ${to} at once`, {
            ...{ from, to, deletions: s.deletions! + 1 },
            ...set({ at: C.pins, from: to, closed: 0, doomed: batch }),
          })
        }
        swap('unseals', SEALED, {
          phase: CONDEMNED,
          from: 0,
          to: 0,
          deletions: s.deletions! + 1,
          ...set({ at: C.seal, copied: 0 }),
        })
        return
      }
      case C.end: {
        if (isHolder && (s.phase === MARK || s.phase === CONDEMNED))
          add(`C${c} ends`, {
            ...{ phase: IDLE, holder: NONE, listsOf: NONE, lists: 0 },
            ...(isCoexisting ? putBack(s, marked(s)) : {}),
            ...(is('the quarantine is emptied at the end') ? { kept: 0 } : {}),
            ...ended(),
          })
        else add(`C${c} was replaced`, ended())
      }
    }
  }

  /** A deletion that was sent lands at any time, or not if its fence is closed. */
  function landDeletions(s: State, c: number, add: Add): void {
    const sent = s[`c${c}sent`]!
    if (sent === 0) return
    const blob = sent & -sent
    // The same bytes have the same version: they are those that are meant, whoever has put them there.
    const isStopped = s[`c${c}closed`] === 1 && !is('no fence') && !is('a fence by version')
    const left = { [`c${c}sent`]: sent & ~blob }
    if (isStopped) add(`C${c}'s deletion of ${blob} is refused`, left)
    else {
      add(`C${c}'s deletion of ${blob} lands`, { ...left, blobs: s.blobs! & ~blob })
      if (isCoexisting && (s.blobs! & blob) !== 0)
        add(`C${c}'s deletion of ${blob} lands, and is sent again`, { blobs: s.blobs! & ~blob })
    }
  }

  function marked(s: State): number {
    return bitsOf.reduce((bits, needs, m) => ((s.revisions! & (1 << m)) === 0 ? bits : bits | needs), 0)
  }

  function pinned(s: State, epoch: number): number {
    let bits = 0
    for (let blob = 0; blob < blobCount; blob++) if (s[`pin${blob}`] === epoch) bits |= 1 << blob
    return bits
  }

  function isInBatch(s: State, blob: number): boolean {
    return (
      s.phase === SEALED && (rangeOf(s.from!, s.to!) & blob) !== 0 && !is('a push does not wait for a batch')
    )
  }

  const isLoss = (s: State) =>
    manifests.some((_, m) => {
      const bit = 1 << m
      const isStill = (s.plainly! & s.revisions! & bit) !== 0
      if (isStill && ((s.blobs! | s.kept!) & bitsOf[m]!) !== bitsOf[m]) return true
      return (s.acknowledged! & s.revisions! & bit) !== 0
        ? (s.blobs! & bitsOf[m]!) !== bitsOf[m]
        : (s.acknowledged! & bit) !== 0
    })

  const groups = Array.from({ length: collectors }, (_, c) => namesOf(initial, `c${c}`))
  return explore({ initial, steps, isLoss, maxStates, alike: { groups, named: ['holder'] } })
}

/** `at` is where somebody is. */
function prefixed(prefix: string, changes: State): State {
  const named: State = {}
  for (const name in changes) named[name === 'at' ? prefix : prefix + name] = changes[name]!
  return named
}

/** What was read of a state and is not needed any more. */
const FORGOTTEN = { phase: NONE, epoch: NONE, from: 0, to: 0 }

/** In one epoch all but one holder read the same. */
function seenOf(s: State): number {
  return ((s.epoch! * 4 + s.phase!) * 8 + s.from!) * 8 + s.to! + 1
}

function describeState(s: State): string {
  return `${['idle', 'mark', 'condemned', 'sealed'][s.phase!]} ${s.epoch}${s.phase === SEALED ? ` (${s.from} to ${s.to})` : ''}`
}

/** The bits of blobs from one to before another. */
function rangeOf(from: number, to: number): number {
  return ((1 << to) - 1) & ~((1 << from) - 1)
}

function lowest(bits: number): number {
  return 31 - Math.clz32(bits & -bits)
}

function highest(bits: number): number {
  return 31 - Math.clz32(bits)
}

function firstBits(bits: number, count: number): number {
  let first = 0
  for (let left = bits; left !== 0 && count > 0; count--) {
    first |= left & -left
    left &= left - 1
  }
  return first
}
