import { createHash } from 'node:crypto'

/** The content of an object. */
export interface Content {
  readonly chunks: readonly Uint8Array[]
  readonly size: number
  /** In base64. The storage rejects content with another digest. */
  readonly md5: string
}

export function contentOf(bytes: Uint8Array): Content {
  return {
    chunks: [bytes],
    size: bytes.byteLength,
    md5: createHash('md5').update(bytes).digest('base64'),
  }
}
