/** Archives with their TarSums as Docker 1.6.2 computes them (`pkg/tarsum`, built from the Go module
 *  github.com/docker/docker@v1.6.2 with the archive/tar of its time). */
import { longNameEntry, paxEntry, tarEntry, tarOf } from './tar-entries.ts'

const file = tarEntry({
  name: 'etc/passwd',
  content: 'root',
  mode: 0o600,
  mtime: 1_420_000_000,
  user: 'root',
})
const folder = tarEntry({ name: './etc/', type: '5', mode: 0o755 })
const again = tarEntry({ name: './etc/passwd', content: 'another', uid: 1000 })

export const archives = {
  empty: tarOf(),
  'files and folders': tarOf(folder, file, tarEntry({ name: 'a', content: 'x'.repeat(2000) })),
  'links and devices': tarOf(
    tarEntry({ name: 'soft', type: '2', link: '../a' }),
    tarEntry({ name: 'hard', type: '1', link: 'a' }),
    tarEntry({ name: 'tty', type: '3', device: [5, 1] }),
    tarEntry({ name: 'sda', type: '4', device: [8, 0], magic: 'ustar  \0' }),
    tarEntry({ name: 'pipe', type: '6' }),
  ),
  'long names': tarOf(
    tarEntry({ name: 'file', prefix: 'folder/of/ustar' }),
    longNameEntry('x'.repeat(150)),
    tarEntry({ name: 'cut', content: 'gnu', magic: 'ustar  \0' }),
    paxEntry({ path: 'é'.repeat(100), uid: '3000000', mtime: '1420000000.5' }),
    tarEntry({ name: 'cut', content: 'pax' }),
  ),
  'extended attributes': tarOf(
    paxEntry({ 'SCHILY.xattr.user.z': 'last', 'SCHILY.xattr.security.capability': 'first' }),
    tarEntry({ name: 'ping', content: 'binary' }),
  ),
  'a header of Unix Version 7': tarOf(
    tarEntry({ name: 'old', content: 'x', type: '\0', magic: '', user: 'nobody' }),
  ),
  'two entries of one name': tarOf(file, again, folder),
  'two entries of one name, reversed': tarOf(again, file, folder),
  'no end': file,
} as const

/** In hex, of the first version and of version 1. */
export const tarSums: Readonly<Record<keyof typeof archives, readonly [first: string, second: string]>> = {
  empty: [
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  ],
  'files and folders': [
    '43597716a0f22dd519f4473963f674eab05ae16fe2003f14ae8d7104d3038246',
    'ad8847cf59e99472766fe1c0295a86e34995238fee245a5cc0302e0b1230b489',
  ],
  'links and devices': [
    '5b4a828d8896bc784ec0bf0091e193bf0bf8aaf91d9017a076658eef2d99f229',
    '962abba18aa8826020ebd1698bb3ddfd623f3a74f4b37afd8f15a1a61dd65e33',
  ],
  'long names': [
    'd101a7c7079b8539da0b2ea9847c75a8e8452e43142ceebc1dcff9cee82d0270',
    'b1b7253a9d8cb8ceda8ca5f7b50bc7441957c602c97a7d138b62eee4dcb35a01',
  ],
  'extended attributes': [
    'c51ed32578860098849bb11cba6e1b23f0c96b02e5e1245ec9b309a4b9822f6c',
    'e89e571b74326fb7e902017000d8c8cf6ad43a3e7a6e9d9afd58e7b8eb2accd6',
  ],
  'a header of Unix Version 7': [
    'bd371af4987bec3d967205a8e4c33b4c873755158d5de9b760c85caf2f5d693d',
    '37f7bcb6812744dfcfdc1891905422a702dae8a2103613d38ca63e56f939f420',
  ],
  'two entries of one name': [
    '4fabecc7dda9a871fc6d9890e3d1614aec92650b35cfdb2da4ce650039d72c5e',
    '4db7acc00cefba28e9d52fff904f09df774904e5bb8ead15d6b56ce43e6a0d90',
  ],
  'two entries of one name, reversed': [
    'd0b8d7307ba9e079c8da027e4bf9398325e8995e95e02b2ff73babba3568fa19',
    'f9a02ea7a2ebb19b558957999f8e32e75e5b8ed16de823933df15b28e693893a',
  ],
  'no end': [
    '8aa44c797c4926b0cc8d1d7804d101905483f4dccc8ada47d761979d4bd4ce8b',
    'e1facd8a18c6192e938d275ed15d5003dc736d01bfb5077394b1cdd3ec201f6a',
  ],
}
