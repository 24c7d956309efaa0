/** The removal of untagged manifests as a small model: an index (0) and its child (1) in one repository, pushers who tag the index or push
 *  the child again by digest, collectors that may stand still at any step and go on later, and a user who removes the tag. The grace period
 *  is 0: a manifest is young for a collection if it was pushed since that began. The storage is linearizable. */
import { type Add, type Exploration, explore, namesOf } from './explore.ts'

export interface RemovalModelOptions {
  /** What each pusher pushes: the index by a tag, or the child by its digest. */
  readonly pushers?: readonly ('index' | 'child')[]
  readonly collectors?: number
  readonly runs?: number
  readonly retries?: number
  /** How often the user removes the tag. */
  readonly untags?: number
  /** What stands at the beginning, as bits. */
  readonly standing?: number
  readonly maxStates?: number
  /** What is left out or done wrong. */
  readonly mutation?: RemovalMutation
}

export type RemovalMutation =
  | 'nobody looks after the tag'
  | 'nothing is read again after condemning'
  | 'no fence'
  | 'a push takes nothing off the list'
  | 'a push does not wait for a removal'
  | 'children go together with their index'
  | 'a push asks for itself only'
  | 'a push asks for nothing before it tags'
  | 'a push looks for itself only after its tag'
  | 'a successor leaves what was condemned'
  | 'condemning is not bound to the tenure'
  | 'a removal that was taken over does not count'
  | 'a removal that is over is not asked for'

const INDEX = 1
const CHILD = 2
const NONE = -1
const MAX_EPOCH = 3

type State = Record<string, number>

const P = { begin: 0, write: 1, state: 2, ask: 3, tag: 4, last: 5, done: 6, refused: 7 } as const
const C = {
  ...{ start: 0, release: 1, take: 2, scan: 3, announce: 4, read: 5, confirm: 6, condemn: 7, again: 8 },
  ...{ seal: 9, send: 10, close: 11, unseal: 12, clear: 13, end: 14, over: 15 },
} as const

export function checkRemovalModel(options: RemovalModelOptions): Exploration {
  const {
    pushers = ['index'],
    collectors = 2,
    runs = 1,
    retries = 1,
    untags = 0,
    standing = INDEX | CHILD,
    maxStates = 3_000_000,
    mutation,
  } = options
  const is = (one: RemovalMutation) => mutation === one

  const initial: State = {
    // Revisions as bits, the epoch at which each was written last, the tag, and what was acknowledged.
    ...{ revisions: standing, wrote1: 0, wrote2: 0, tag: 0, acknowledged: 0, untags },
    // Of the child that was acknowledged by digest: the epoch at which it was written, and that of who has removed it last.
    ...{ child: NONE, removedBy: NONE },
    // The state of the collection: where it removes, and how many removals are over.
    ...{ epoch: 0, holder: NONE, removing: 0, removals: 0 },
    // The state of the repository's deletions.
    ...{ count: 0, deleting: NONE, by: NONE, condemned: 0 },
  }
  for (const p of pushers.keys())
    Object.assign(
      initial,
      prefixed(`p${p}`, { at: P.begin, mark: NONE, since: NONE, retries, wrote: 0, removed: 0 }),
    )
  for (let c = 0; c < collectors; c++) {
    // Whether the states are as it has read them last.
    const work = { seen: 0, seenDeletions: 0, found: 0, doomed: 0, gone: 0, sent: 0, closed: 0 }
    Object.assign(initial, prefixed(`c${c}`, { at: C.start, runs, epoch: NONE, ...work }))
  }

  const unseen = (name: 'seen' | 'seenDeletions'): State =>
    Object.fromEntries(Array.from({ length: collectors }, (_, c) => [`c${c}${name}`, 0]))
  /** What each change of the state of the collection brings, and each of the deletions. */
  const stateChanged = unseen('seen')
  const deletionsChanged = unseen('seenDeletions')

  const steps = (s: State, add: Add): void => {
    for (const [p, kind] of pushers.entries()) {
      if (kind === 'index') pushIndex(s, p, add)
      else pushChild(s, p, add)
    }
    for (let c = 0; c < collectors; c++) collectorNext(s, c, add)
    if (s.untags! > 0 && s.tag === 1)
      add('the user removes the tag', { tag: 0, acknowledged: 0, untags: s.untags! - 1 })
  }

  /** Manifests may be removed, or may have been since a push began. */
  function mustAsk(s: State, since: number): boolean {
    if (is('a push asks for nothing before it tags')) return false
    return s.removing === 1 || (s.removals !== since && !is('a removal that is over is not asked for'))
  }

  /** What a push asks the repository's deletions. */
  function ask(
    s: State,
    p: number,
    { needed, isSame, isOther }: { needed: number; isSame: State; isOther: State },
    add: Add,
  ): void {
    const set = (changes: State) => prefixed(`p${p}`, changes)
    if (s.deleting !== NONE && !is('a push does not wait for a removal')) {
      // Its holder is silent for too long, or seems to be.
      add(`P${p} takes the place of C${s.deleting}`, {
        ...(is('no fence') ? {} : { [`c${s.deleting}closed`]: 1 }),
        ...deletionsChanged,
        deleting: NONE,
        count: s.count! + (is('a removal that was taken over does not count') ? 0 : 1),
      })
      return
    }
    const listed = s.condemned! & needed
    const spared: State =
      listed === 0 || is('a push takes nothing off the list')
        ? {}
        : { condemned: s.condemned! & ~needed, ...deletionsChanged }
    const hasDeleted = s.count !== 0 && s.count !== s[`p${p}mark`]
    const changes = { ...spared, ...set({ mark: s.count! }) }
    if (hasDeleted) add(`P${p} asks: something was removed`, { ...changes, ...isOther })
    else add(`P${p} asks: nothing was removed`, { ...changes, ...isSame })
  }

  function pushIndex(s: State, p: number, add: Add): void {
    const get = (name: string) => s[`p${p}${name}`]!
    const set = (changes: State) => prefixed(`p${p}`, changes)
    const refuse = set(
      get('retries') === 0
        ? { at: P.refused }
        : { at: P.begin, since: NONE, removed: 0, retries: get('retries') - 1 },
    )
    const hasChild = (s.revisions! & CHILD) !== 0
    switch (get('')) {
      case P.begin:
        if (get('since') === NONE) add(`P${p} begins`, set({ since: s.removals! }))
        else if (hasChild) add(`P${p} finds the child`, set({ at: P.write }))
        else
          add(`P${p} pushes the child`, {
            ...{ revisions: s.revisions! | CHILD, wrote2: s.epoch! },
            ...set({ at: P.write }),
          })
        return
      case P.write: {
        const written = { revisions: s.revisions! | INDEX, wrote1: s.epoch! }
        add(`P${p} writes the index`, { ...written, ...set({ at: P.state }) })
        return
      }
      case P.state: {
        const isAsked = mustAsk(s, get('since'))
        add(`P${p} reads the state`, set({ at: isAsked ? P.ask : P.tag }))
        return
      }
      case P.ask: {
        const needed = is('a push asks for itself only') ? INDEX : INDEX | CHILD
        // It is written again, and then asked again.
        const again = { revisions: s.revisions! | INDEX, wrote1: s.epoch! }
        const isOther = hasChild ? { ...again, ...set({ at: P.ask }) } : { ...again, ...refuse }
        ask(s, p, { needed, isSame: set({ at: P.tag }), isOther }, add)
        return
      }
      case P.tag:
        add(`P${p} tags`, {
          tag: 1,
          ...(is('nobody looks after the tag')
            ? { acknowledged: 1, ...set({ at: P.done }) }
            : set({ at: P.last })),
        })
        return
      case P.last: {
        const acknowledge = { acknowledged: 1, ...set({ at: P.done }) }
        // Another push may have written the index again after it was removed, which its child need not have survived.
        const isLenient = is('a push looks for itself only after its tag')
        const isWhole = (s.revisions! & INDEX) !== 0 && (isLenient || hasChild)
        const needed = get('removed') === 0 || isLenient ? INDEX : INDEX | CHILD
        const isOther = isWhole ? set({ at: P.last, removed: 1 }) : { tag: 0, acknowledged: 0, ...refuse }
        if (s.tag === 0) add(`P${p} finds that its tag was removed`, set({ at: P.done }))
        else ask(s, p, { needed, isSame: acknowledge, isOther }, add)
      }
    }
  }

  function pushChild(s: State, p: number, add: Add): void {
    const get = (name: string) => s[`p${p}${name}`]!
    const set = (changes: State) => prefixed(`p${p}`, changes)
    const write = { revisions: s.revisions! | CHILD, wrote2: s.epoch! }
    const acknowledge = { child: get('wrote'), ...set({ at: P.done }) }
    switch (get('')) {
      case P.begin:
        if (get('since') === NONE) add(`P${p} begins`, set({ since: s.removals! }))
        else add(`P${p} writes the child`, { ...write, ...set({ at: P.state, wrote: s.epoch! }) })
        return
      case P.state: {
        if (mustAsk(s, get('since'))) add(`P${p} reads the state`, set({ at: P.ask }))
        else add(`P${p} 201 for the child`, acknowledge)
        return
      }
      case P.ask: {
        const isOther = { ...write, ...set({ at: P.ask, wrote: s.epoch! }) }
        ask(s, p, { needed: CHILD, isSame: acknowledge, isOther }, add)
      }
    }
  }

  function untagged(s: State, epoch: number): number {
    const isIndexKept = s.tag === 1 || s.wrote1! >= epoch
    const index = (s.revisions! & INDEX) !== 0 && !isIndexKept ? INDEX : 0
    const isChildKept = ((s.revisions! & INDEX) !== 0 && isIndexKept) || s.wrote2! >= epoch
    const child = (s.revisions! & CHILD) !== 0 && !isChildKept ? CHILD : 0
    return index | child
  }

  function collectorNext(s: State, c: number, add: Add): void {
    const get = (name: string) => s[`c${c}${name}`]!
    const set = (changes: State) => prefixed(`c${c}`, changes)
    const work = { found: 0, doomed: 0, gone: 0, seen: 0, seenDeletions: 0, closed: 0 }
    const over = set({ at: get('runs') > 1 ? C.start : C.over, runs: get('runs') - 1, epoch: NONE, ...work })
    const isHolder = s.holder === c && s.epoch === get('epoch')
    const swap = (label: string, changes: State) => {
      if (isHolder) add(`C${c} ${label}`, { ...stateChanged, ...changes })
      else add(`C${c} was replaced`, over)
    }
    const name = get('epoch') // no other collector has this epoch
    land(s, c, add)
    switch (get('')) {
      case C.start: {
        if (s.epoch! >= MAX_EPOCH || s.holder === c) return
        const isReleased = s.removing === 0 || is('a successor leaves what was condemned')
        add(`C${c} reads the state`, set({ at: isReleased ? C.take : C.release, seen: 1 }))
        return
      }
      case C.release: {
        if (s.deleting !== NONE) {
          takeDeletions(s, c, add)
          return
        }
        add(`C${c} releases what is condemned`, {
          ...deletionsChanged,
          ...{ condemned: 0, by: NONE },
          ...set({ at: C.take }),
        })
        return
      }
      case C.take: {
        if (get('seen') === 0) {
          add(`C${c} was late`, set({ at: C.start, seen: 0 }))
          return
        }
        const epoch = s.epoch! + 1
        const removals = s.removals! + s.removing!
        const taken = { epoch, holder: c, removing: 0, removals }
        add(`C${c} begins epoch ${epoch}`, { ...taken, ...stateChanged, ...set({ at: C.scan, epoch }) })
        return
      }
      case C.scan: {
        const found = untagged(s, get('epoch'))
        add(`C${c} finds ${found} untagged`, set({ at: found === 0 ? C.end : C.announce, found }))
        return
      }
      case C.announce:
        swap('says where it removes', { removing: 1, ...set({ at: C.read }) })
        return
      case C.read:
        if (s.deleting !== NONE) {
          takeDeletions(s, c, add)
          return
        }
        add(`C${c} reads the deletions`, {
          ...set({
            at: is('condemning is not bound to the tenure') ? C.condemn : C.confirm,
            seenDeletions: 1,
          }),
        })
        return
      case C.confirm:
        swap('is not replaced yet', set({ at: C.condemn }))
        return
      case C.condemn: {
        if (get('seenDeletions') === 0) {
          add(`C${c} is late to condemn`, set({ at: C.read }))
          return
        }
        const isReadAgain = !is('nothing is read again after condemning')
        add(`C${c} condemns ${get('found')}`, {
          ...deletionsChanged,
          ...{ by: name, condemned: get('found') },
          ...set({
            at: isReadAgain ? C.again : C.seal,
            doomed: isReadAgain ? 0 : get('found'),
            gone: isReadAgain ? 0 : ~s.revisions! & 3,
          }),
        })
        return
      }
      case C.again: {
        const doomed = untagged(s, get('epoch')) & get('found')
        add(`C${c} reads again: ${doomed} untagged`, set({ at: C.seal, doomed, gone: ~s.revisions! & 3 }))
        return
      }
      case C.seal: {
        const isTogether = is('children go together with their index')
        const free = isTogether
          ? get('doomed')
          : (get('doomed') & INDEX) | ((get('gone') & INDEX) !== 0 ? get('doomed') & CHILD : 0)
        if (free === 0) {
          add(`C${c} has no more`, set({ at: C.clear, doomed: 0, gone: 0 }))
          return
        }
        if (s.deleting !== NONE) {
          takeDeletions(s, c, add)
          return
        }
        if (s.by !== name) {
          add(`C${c}'s list is gone`, set({ at: C.clear, doomed: 0, gone: 0 }))
          return
        }
        const going = free & s.condemned!
        add(`C${c} removes ${going}`, {
          ...deletionsChanged,
          deleting: c,
          ...set({
            at: C.send,
            found: going,
            closed: 0,
            doomed: get('doomed') & ~free,
            gone: get('gone') | going,
          }),
        })
        return
      }
      case C.send:
        add(`C${c} sends the removals`, set({ at: C.close, sent: get('found'), found: 0 }))
        return
      case C.close:
        if (get('sent') === 0) add(`C${c} closes its fence`, set({ at: C.unseal, closed: 1 }))
        return
      case C.unseal:
        if (s.deleting !== c) {
          add(`C${c} was taken for dead`, set({ at: C.clear, doomed: 0, gone: 0 }))
          return
        }
        add(`C${c} lets pushes go on`, {
          ...deletionsChanged,
          ...{ deleting: NONE, count: s.count! + 1 },
          ...set({ at: C.seal }),
        })
        return
      case C.clear:
        if (s.deleting !== NONE) {
          takeDeletions(s, c, add)
          return
        }
        add(`C${c} takes the rest back`, {
          ...deletionsChanged,
          ...{ condemned: 0, by: NONE },
          ...set({ at: C.end }),
        })
        return
      case C.end:
        swap('ends', { holder: NONE, removing: 0, removals: s.removals! + s.removing!, ...over })
    }
  }

  /** Whoever deletes is silent for too long, or seems to be. */
  function takeDeletions(s: State, c: number, add: Add): void {
    const other = s.deleting!
    add(`C${c} takes the place of C${other} in the repository`, {
      ...(is('no fence') ? {} : { [`c${other}closed`]: 1 }),
      ...deletionsChanged,
      deleting: NONE,
      count: s.count! + (is('a removal that was taken over does not count') ? 0 : 1),
    })
  }

  /** A removal that was sent lands at any time, or not if its fence is closed. */
  function land(s: State, c: number, add: Add): void {
    const sent = s[`c${c}sent`]!
    if (sent === 0) return
    const one = sent & -sent
    const left = { [`c${c}sent`]: sent & ~one }
    // The collector then knows that its fence was closed, and ends.
    if (s[`c${c}closed`] === 1 && !is('no fence'))
      add(`C${c}'s removal of ${one} is refused`, {
        [`c${c}sent`]: 0,
        ...prefixed(`c${c}`, { doomed: 0, gone: 0, at: C.clear }),
      })
    else {
      const by: State = one === CHILD ? { removedBy: s[`c${c}epoch`]! } : {}
      add(`C${c}'s removal of ${one} lands`, { ...left, ...by, revisions: s.revisions! & ~one })
    }
  }

  /** An acknowledged tag names an index that is whole. A child that was pushed since a collection began is not removed by that. */
  const isLoss = (s: State) => {
    const isIndexLost = s.acknowledged === 1 && s.tag === 1 && s.revisions !== (INDEX | CHILD)
    const isChildLost = s.child! >= 0 && (s.revisions! & CHILD) === 0 && s.removedBy! <= s.child!
    return isIndexLost || isChildLost
  }

  const groups = Array.from({ length: collectors }, (_, c) => namesOf(initial, `c${c}`))
  return explore({ initial, steps, isLoss, maxStates, alike: { groups, named: ['holder', 'deleting'] } })
}

/** `at` is where somebody is. */
function prefixed(prefix: string, changes: State): State {
  const named: State = {}
  for (const name in changes) named[name === 'at' ? prefix : prefix + name] = changes[name]!
  return named
}
