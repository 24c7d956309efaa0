import { randomUUID } from 'node:crypto'
import type { Dirent } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { FileVersion } from '../../core/storage-driver.ts'

/** Names of a driver's files beside plain ones. Distribution ignores both.
 *
 *  - `<name>.<version>.part`: an appended file. Its bytes have this name only while they don't change: each
 *    writer renames them first.
 *  - `.<name>.state/`: the folder of a state. Names of repositories, tags and digests never begin with a
 *    dot. */
const PART = /^(.+)\.([0-9a-f]{16})\.part$/
const STATE = /^\.(.+)\.state$/

/** The path of a part.
 *  @param file the plain path in the operating system */
export function partOf(file: string, version: FileVersion): string {
  return `${file}.${version}.part`
}

/** A random version, from a UUID because Node has random bytes for these at hand. */
export function newVersion(): FileVersion {
  return randomUUID().replaceAll('-', '').slice(16)
}

export function parsePart(name: string): { name: string; version: FileVersion } | undefined {
  const [, plain, version] = PART.exec(name) ?? []
  return plain === undefined ? undefined : { name: plain, version: version as FileVersion }
}

export function stateFolderOf(file: string): string {
  return `${dirname(file)}/.${basename(file)}.state`
}

export function isStateFolder(entry: Dirent): boolean {
  return entry.name.startsWith('.') && entry.isDirectory() && STATE.test(entry.name)
}

/** The name of a folder's entry as the driver reports it. */
export function plainName(entry: Dirent): string {
  const { name } = entry
  if (isStateFolder(entry)) return STATE.exec(name)?.[1] ?? name
  const part = name.endsWith('.part') && entry.isFile() ? parsePart(name) : undefined
  return part?.name ?? name
}
