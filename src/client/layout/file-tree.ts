/** Files by their paths, wherever they are: a folder, or an archive. */
export interface FileTree {
  /** For messages. */
  readonly name: string
  /** Size in bytes; undefined if there is no such file. */
  size(path: string): Promise<number | undefined>
  /** The bytes from `start` on.
   *  @throws Error if there is no such file */
  open(path: string, start: number): AsyncIterable<Uint8Array>
}
