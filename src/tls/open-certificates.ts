import type { Certificates, CertificatesOptions } from './certificates.ts'

/** Opens the certificates of two files, or those of an ACME authority.
 *  @throws Error that names the key whose file can't be used */
export async function openCertificates(options: CertificatesOptions): Promise<Certificates> {
  if (options.certificate !== '') {
    const { CertificateFiles } = await import('./certificate-files.ts')
    return CertificateFiles.open(options)
  }
  const { AcmeCertificates } = await import('./acme-certificates.ts')
  return AcmeCertificates.open(options)
}
