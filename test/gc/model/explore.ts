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
}

/** Goes through every interleaving, breadth first.
 *  @throws Error if there are more states than that: then nothing is known */
export function explore({ initial, steps, isLoss, maxStates }: Model): Exploration {
  const names = Object.keys(initial)
  const places = new Map(names.map((name, index) => [name, index]))
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

function keyOf(state: Uint16Array): string {
  return Buffer.from(state.buffer, state.byteOffset, state.byteLength).toString('latin1')
}

function wayTo(index: number, ways: readonly { readonly from: number; readonly label: string }[]): string[] {
  const labels: string[] = []
  for (let at = index; at > 0; at = ways[at]!.from) labels.unshift(ways[at]!.label)
  return labels
}
