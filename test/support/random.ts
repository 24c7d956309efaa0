/** Content and choices that look random and are the same in every run with the same seed. */
import { createCipheriv, createHash } from 'node:crypto'

export interface Random {
  /** A number from 0 (included) to `limit` (excluded). */
  below(limit: number): number
  pick<T>(choices: readonly T[]): T
  /** Bytes that no compression makes smaller. */
  bytes(length: number): Buffer
}

export function seededRandom(seed: string): Random {
  const key = createHash('sha256').update(seed).digest()
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16))
  const bytes = (length: number) => cipher.update(Buffer.alloc(length))
  const below = (limit: number) => Math.floor((bytes(4).readUInt32BE() / 2 ** 32) * limit)
  const pick = <T>(choices: readonly T[]) => {
    const choice = choices[below(choices.length)]
    if (choice === undefined) throw new Error('nothing to choose from')
    return choice
  }
  return { below, pick, bytes }
}
