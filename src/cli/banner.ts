export interface BannerFacts {
  readonly address: string
  readonly storage: string
  readonly config: string
}

/** The greeting of a server started at a terminal: its address, and how to push a first image. */
export function banner({ address, storage, config }: BannerFacts): string {
  const authority = address.replace(/^https?:\/\//, '')
  const unverified = address.startsWith('https:') ? '' : '--dest-tls-verify=false '
  const firstPush = address.startsWith('unix:')
    ? ''
    : `
  Push a first image:

    docker pull alpine && docker tag alpine ${authority}/alpine && docker push ${authority}/alpine

  or, without Docker:

    skopeo copy ${unverified}docker://docker.io/library/alpine docker://${authority}/alpine
`
  return `
  Entrepot listens on ${address}
  stores in           ${storage}
  configured by       ${config}
${firstPush}
`
}
