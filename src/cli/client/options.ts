import { readFile } from 'node:fs/promises'
import type { ParseArgsOptionsConfig } from 'node:util'
import type { Credentials } from '../../client/credentials.ts'
import { UsageError } from '../usage-error.ts'

/** An option with what `--help` says of it. */
export interface OptionText {
  readonly type: 'string' | 'boolean'
  readonly short?: string
  readonly multiple?: boolean
  /** What a value is called; for options that take one. */
  readonly value?: string
  readonly text: string
}

export type OptionTexts = Readonly<Record<string, OptionText>>

/** Options of every command that speaks to registries. */
export const CONNECTION = {
  insecure: { type: 'boolean', text: 'do not check certificates, and use plain HTTP where there is no TLS' },
  'plain-http': { type: 'boolean', text: 'use plain HTTP' },
  ca: { type: 'string', value: 'file', text: "certificates in PEM to trust besides the system's" },
  creds: { type: 'string', value: 'user:password', text: 'instead of the stored login' },
  'token-server': {
    ...{ type: 'string', multiple: true, value: 'host' },
    text: 'a token server of another site that may see the login',
  },
  'retry-times': { type: 'string', value: 'n', text: 'attempts after temporary failures. Default: 3' },
} as const satisfies OptionTexts

export const JSON_OPTION = { json: { type: 'boolean', text: 'JSON on standard output' } } as const

export const PLATFORM = {
  platform: { type: 'string', value: 'os/arch[/variant]', text: 'one platform of an index' },
} as const satisfies OptionTexts

/** Options of commands that move images. */
export const TRANSFER = {
  jobs: { type: 'string', short: 'j', value: 'n', text: 'blobs moved at the same time. Default: 6' },
  referrers: { type: 'boolean', text: 'also signatures and whatever else refers to the images' },
  quiet: { type: 'boolean', short: 'q', text: 'no progress' },
} as const satisfies OptionTexts

/** As `parseArgs` takes them. */
export function parseArgsOptions<const Options extends OptionTexts>(options: Options) {
  return options as Options & ParseArgsOptionsConfig
}

/** The output of `--help`. */
export function helpText(usage: readonly string[], about: string, options: OptionTexts): string {
  const rows = Object.entries(options).map(([name, { short, value, text }]) => {
    const names = `--${name}${short === undefined ? '' : `, -${short}`}`
    return [value === undefined ? names : `${names} <${value}>`, text] as const
  })
  const width = Math.max(...rows.map(([name]) => name.length))
  const lines = rows.map(([name, text]) => `  ${name.padEnd(width)}   ${text}`)
  return `${usage.map((line) => `entrepot ${line}`).join('\n')}\n\n${about}\n\n${lines.join('\n')}\n`
}

export function parseCount(text: string | undefined, name: string, fallback: number): number {
  if (text === undefined) return fallback
  if (/^\d{1,4}$/.test(text)) return Number(text)
  throw new UsageError(`--${name} takes a number, not ${text}`)
}

export function parseCredentials(text: string | undefined): Credentials | undefined {
  if (text === undefined) return undefined
  const colon = text.indexOf(':')
  if (colon < 1) throw new UsageError('credentials are user:password')
  return { username: text.slice(0, colon), password: text.slice(colon + 1) }
}

export async function readCa(path: string | undefined): Promise<string[]> {
  return path === undefined ? [] : [await readFile(path, 'utf8')]
}
