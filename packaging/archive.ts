/** `npm run bundle`: the bundle for this machine's processor, and an archive of it. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { makeBundle, type Processor } from './bundle.ts'

if (process.platform !== 'linux') throw new Error('the bundle is made on Linux')
console.log(pack(await makeBundle(process.arch as Processor)))

/** The same folder always gives the same archive. */
function pack(folder: string): string {
  const archive = `${folder}.tar.gz`
  const same = [
    '--sort=name',
    '--mtime=@0',
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '--mode=u=rwX,go=rX',
  ]
  const tar = execFileSync('tar', [...same, '-C', dirname(folder), '-c', basename(folder)], {
    maxBuffer: 2 ** 30,
  })
  writeFileSync(archive, execFileSync('gzip', ['-9n'], { input: tar, maxBuffer: 2 ** 30 }))
  return archive
}
