import { randomBytes } from 'node:crypto'
import type { Dirent } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { FileVersion } from '../../core/storage-driver.ts'

/** The names under which a driver keeps what is more than a plain file:
 *
 *  - `<name>.<version>.part`: a file that is appended to. Its bytes have this name only while nobody changes them: each writer
 *    gives them a new one first.
 *  - `.<name>.state/`: the folder of a state. No repository, tag or digest begins with a dot.
 *
 *  Distribution knows neither, and passes both by. */
const PART = /^(.+)\.([0-9a-f]{16})\.part$/
const STATE = /^\.(.+)\.state$/

/** @param file where the operating system would find the file by its plain name */
export function partOf(file: string, version: FileVersion): string {
  return `${file}.${version}.part`
}

/** A version that no other file has had. */
export function newVersion(): FileVersion {
  return randomBytes(8).toString('hex')
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

/** What the caller of a driver knows an entry of a folder by. */
export function plainName(entry: Dirent): string {
  const { name } = entry
  if (isStateFolder(entry)) return STATE.exec(name)?.[1] ?? name
  const part = name.endsWith('.part') && entry.isFile() ? parsePart(name) : undefined
  return part?.name ?? name
}
