import { randomBytes } from 'node:crypto'
import type { FileVersion } from '../../core/storage-driver.ts'

/** The names under which a driver keeps what is more than a plain file:
 *
 *  - `<name>.<version>.part`: a file that is appended to. Its bytes have this name only while nobody changes them: each writer
 *    gives them a new one first.
 *  - `<name>.versions`: the folder of a state.
 *
 *  Distribution passes both by: it knows neither name, and its walks read them as files and folders of no meaning. */
const PART = /^(.+)\.([0-9a-f]{16})\.part$/
const STATE = /^(.+)\.versions$/

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
  return `${file}.versions`
}

/** What the caller of a driver knows an entry of a folder by. */
export function plainName(name: string): string {
  if (name.endsWith('.part')) return parsePart(name)?.name ?? name
  if (name.endsWith('.versions')) return STATE.exec(name)?.[1] ?? name
  return name
}
