/** Size of a block in bytes: also the most that a reader gets at once. */
export const BLOCK_BYTES = 256 * 1024

const MAX_FREE_BLOCKS = 64

/** A part of a flight's bytes. */
export interface Block {
  readonly memory: Buffer
  /** Bytes in it so far. */
  length: number
  /** Readers that use it at the moment. */
  users: number
  /** True once nobody will begin to use it. */
  isDropped: boolean
}

/** Memory for the bytes of flights. Blocks are used again, because fresh memory costs page faults, and V8
 *  collects garbage for each few of them that are dropped. */
export class BlockPool {
  readonly #free: Buffer[] = []

  /** @param byteCount what it must hold, if that is known to be less than a block */
  take(byteCount = BLOCK_BYTES): Block {
    const memory = byteCount < BLOCK_BYTES ? allocate(byteCount) : (this.#free.pop() ?? allocate(BLOCK_BYTES))
    return { memory, length: 0, users: 0, isDropped: false }
  }

  /** Keeps the memory for another block, as soon as nobody uses it. */
  drop(block: Block): void {
    block.isDropped = true
    if (block.users === 0) this.#keep(block.memory)
  }

  use(block: Block): void {
    block.users++
  }

  release(block: Block): void {
    if (--block.users === 0 && block.isDropped) this.#keep(block.memory)
  }

  #keep(memory: Buffer): void {
    if (memory.length === BLOCK_BYTES && this.#free.length < MAX_FREE_BLOCKS) this.#free.push(memory)
  }
}

/** Storage frees whole buffers once it has written them (`lib/free-memory.ts`), so a block is a part of one. */
function allocate(byteCount: number): Buffer {
  return Buffer.allocUnsafeSlow(byteCount + 1).subarray(0, byteCount)
}
