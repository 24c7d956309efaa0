import { expect } from 'vitest'

const MAX_FINDINGS = 20

/** What was wrong, and what happened how often. */
export class Findings {
  readonly #found: string[] = []
  readonly #counts = new Map<string, number>()

  /** @param text what is wrong, and how it came about */
  report(text: string): void {
    this.count('wrong')
    if (this.#found.length >= MAX_FINDINGS) return
    this.#found.push(text)
    process.stdout.write(`WRONG: ${text}\n`)
  }

  count(event: string): void {
    this.#counts.set(event, (this.#counts.get(event) ?? 0) + 1)
  }

  /** How often everything happened. */
  get summary(): string {
    const sorted = [...this.#counts].sort(([one], [other]) => (one < other ? -1 : 1))
    return sorted.map(([event, count]) => `${event}: ${count}`).join(', ')
  }

  /** What was found has been printed as a whole. */
  expectNone(): void {
    expect(this.#found.map((text) => text.split('\n', 1)[0])).toEqual([])
  }
}
