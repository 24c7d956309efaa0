import type { TarSumAlgorithm } from '../../core/digest.ts'
import type { TarEntry } from './entries.ts'

/** The fields of a header that a TarSum includes, as one byte string. Version 1, which was also called `dev`, has
 *  the extended attributes and no time. */
export function fieldsOf({ header, attributes }: TarEntry, algorithm: TarSumAlgorithm): string {
  const isFirst = algorithm === 'tarsum+sha256'
  const fields = [
    ['name', header.name],
    ['mode', header.mode],
    ['uid', header.uid],
    ['gid', header.gid],
    ['size', header.size],
    ...(isFirst ? [['mtime', header.mtime]] : []),
    ['typeflag', header.type],
    ['linkname', header.linkName],
    ['uname', header.userName],
    ['gname', header.groupName],
    ['devmajor', header.devMajor],
    ['devminor', header.devMinor],
    ...(isFirst ? [] : sorted(attributes)),
  ]
  return fields.flat().join('')
}

/** In byte order of the names. Docker's list of names began with as many empty ones as there were attributes. */
function sorted(attributes: ReadonlyMap<string, string>): [string, string][] {
  const names = [...[...attributes.keys()].map(() => ''), ...attributes.keys()].sort()
  return names.map((name) => [name, attributes.get(name) ?? ''])
}
