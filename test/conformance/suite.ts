/** Runs the official OCI conformance suite and reads what it found. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { requireTool } from '../support/tools.ts'

/** The parts of the suite that a registry may leave out; Entrepot is held to all of them. */
const settings = {
  OCI_TLS: 'disabled',
  OCI_API_REFERRER: 'true',
  OCI_API_BLOBS_UPLOAD_CANCEL: 'true',
  OCI_API_BLOBS_DIGEST_HEADER: 'true',
  OCI_API_BLOBS_MOUNT_ANONYMOUS: 'true',
  OCI_API_MANIFESTS_DIGEST_HEADER: 'true',
  OCI_API_MANIFESTS_TAG_PARAM: 'true',
  OCI_DATA_SHA512: 'true',
  OCI_DATA_SPARSE: 'false',
}

export interface ConformanceCase {
  readonly name: string
  readonly status: 'passed' | 'skipped' | 'failure' | 'error'
  /** Why it failed or was skipped. */
  readonly message: string
}

interface SuiteOptions {
  /** A version of the distribution specification: `1.1`, or `dev` for its main branch. */
  readonly version: string
  /** Like `127.0.0.1:41231`. */
  readonly address: string
  readonly resultsFolder: string
}

export async function runConformance({
  version,
  address,
  resultsFolder,
}: SuiteOptions): Promise<ConformanceCase[]> {
  await mkdir(resultsFolder, { recursive: true })
  const names = {
    OCI_VERSION: version,
    OCI_REGISTRY: address,
    OCI_RESULTS_DIR: resultsFolder,
    OCI_LOG: 'error',
  }
  const child = spawn(requireTool('conformance'), {
    cwd: resultsFolder,
    env: { ...process.env, ...settings, ...names },
    stdio: 'ignore',
  })
  await once(child, 'exit')
  return parseJunit(await readFile(join(resultsFolder, 'junit.xml'), 'utf8'))
}

/** The cases of the report that the suite writes. */
export function parseJunit(xml: string): ConformanceCase[] {
  return xml.split('<testcase ').slice(1).map(parseCase)
}

function parseCase(element: string): ConformanceCase {
  const attributes = element.slice(0, element.indexOf('>'))
  return {
    name: plain(/name="([^"]*)"/.exec(attributes)?.[1] ?? ''),
    status: statusOf(/status="([^"]*)"/.exec(attributes)?.[1]),
    message: plain(/<system-out>([\s\S]*?)<\/system-out>/.exec(element)?.[1] ?? ''),
  }
}

function statusOf(status: string | undefined): ConformanceCase['status'] {
  if (status === 'passed' || status === 'skipped' || status === 'failure') return status
  return 'error'
}

const entities: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  amp: '&',
  '#34': '"',
  '#39': "'",
  '#xA': '\n',
}

function plain(text: string): string {
  return text.replace(/&([#\w]+);/g, (entity, name: string) => entities[name] ?? entity).trim()
}
