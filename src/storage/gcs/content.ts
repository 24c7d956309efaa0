import { createHash } from 'node:crypto'

/** What an object is to hold. */
export interface Content {
  readonly chunks: readonly Uint8Array[]
  readonly size: number
  /** In base64: the storage refuses what comes with another one. */
  readonly md5: string
}

export function contentOf(bytes: Uint8Array): Content {
  return {
    chunks: [bytes],
    size: bytes.byteLength,
    md5: createHash('md5').update(bytes).digest('base64'),
  }
}
