import type { Certificates, CertificatesOptions } from './certificates.ts'

/** The certificates of two files, or those that an authority gives out.
 *  @throws Error that names the key of the configuration whose file cannot be used */
export async function openCertificates(options: CertificatesOptions): Promise<Certificates> {
  if (options.certificate !== '') {
    const { CertificateFiles } = await import('./certificate-files.ts')
    return CertificateFiles.open(options)
  }
  const { AcmeCertificates } = await import('./acme-certificates.ts')
  return AcmeCertificates.open(options)
}
