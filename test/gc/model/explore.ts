/** A state of a model: small numbers only, from -1 on. */
export type ModelState = Readonly<Record<string, number>>

/** Says what one step does: a label for people, and which numbers it changes. */
export type Add = (label: string, changes: ModelState) => void

export interface Exploration {
  /** How many different states were seen. */
  readonly states: number
  /** The shortest way to a state that must not be, as labels; undefined if there is none. */
  readonly loss: readonly string[] | undefined
}

export interface Model {
  readonly initial: ModelState
  /** Adds every step that is possible. */
  readonly steps: (state: ModelState, add: Add) => void
  readonly isLoss: (state: ModelState) => boolean
  readonly maxStates: number
  /** Names of numbers: groups that are alike, such as those of processes that do the same. The numbers of two may be exchanged, if those
   *  that name one of the groups by its place are changed with them. */
  readonly alike?: { readonly groups: readonly (readonly string[])[]; readonly named: readonly string[] }
}

/** Goes through every interleaving, breadth first. Of states that differ only in which of several that are alike is which, it goes on from one.
 *  @throws Error if there are more states than that: then nothing is known */
export function explore({ initial, steps, isLoss, maxStates, alike }: Model): Exploration {
  const names = Object.keys(initial)
  const places = new Map(names.map((name, index) => [name, index]))
  const groups = (alike?.groups ?? []).map((group) => group.map((name) => places.get(name)!))
  const named = (alike?.named ?? []).map((name) => places.get(name)!)
  const keyOf = (state: Uint16Array) => textOf(groups.length > 1 ? sorted(state, groups, named) : state)
  const packed = Uint16Array.from(names, (name) => (initial[name] as number) + 1)
  const ways: { readonly from: number; readonly label: string }[] = [{ from: -1, label: '' }]
  const seen = new Set([keyOf(packed)])
  let queue = [{ state: packed, index: 0 }]
  while (queue.length > 0) {
    const later: typeof queue = []
    for (const { state, index } of queue) {
      const read: Record<string, number> = {}
      for (let place = 0; place < names.length; place++) read[names[place]!] = state[place]! - 1
      if (isLoss(read)) return { states: seen.size, loss: wayTo(index, ways) }
      steps(read, (label, changes) => {
        const to = state.slice()
        for (const name in changes) to[places.get(name)!] = changes[name]! + 1
        const key = keyOf(to)
        if (seen.has(key)) return
        seen.add(key)
        if (seen.size > maxStates) throw new Error(`more than ${maxStates} states`)
        ways.push({ from: index, label })
        later.push({ state: to, index: ways.length - 1 })
      })
    }
    queue = later
  }
  return { states: seen.size, loss: undefined }
}

/** The names of the numbers that belong to somebody, such as `c0` and `c0epoch` to `c0`. */
export function namesOf(state: ModelState, owner: string): string[] {
  return Object.keys(state).filter((name) => name === owner || new RegExp(`^${owner}[a-zA-Z]`).test(name))
}

/** The same for all states that come of exchanging groups. */
function sorted(
  state: Uint16Array,
  groups: readonly (readonly number[])[],
  named: readonly number[],
): Uint16Array {
  const order = [...groups.keys()].sort((one, other) => {
    const [left, right] = [groups[one]!, groups[other]!]
    for (let index = 0; index < left.length; index++) {
      const difference = state[left[index]!]! - state[right[index]!]!
      if (difference !== 0) return difference
    }
    // Of two that are the same but for what names them, that one comes first.
    for (const place of named) {
      if (state[place] === one + 1) return -1
      if (state[place] === other + 1) return 1
    }
    return 0
  })
  const result = state.slice()
  for (const [to, from] of order.entries())
    for (const [index, place] of groups[to]!.entries()) result[place] = state[groups[from]![index]!]!
  for (const place of named) {
    const to = order.indexOf(state[place]! - 1)
    if (to >= 0) result[place] = to + 1
  }
  return result
}

function textOf(state: Uint16Array): string {
  return Buffer.from(state.buffer, state.byteOffset, state.byteLength).toString('latin1')
}

function wayTo(index: number, ways: readonly { readonly from: number; readonly label: string }[]): string[] {
  const labels: string[] = []
  for (let at = index; at > 0; at = ways[at]!.from) labels.unshift(ways[at]!.label)
  return labels
}
