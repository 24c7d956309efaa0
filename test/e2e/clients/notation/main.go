// Signs, verifies and lists with the Notary Project's own library, in the way of its command line. The keys and the trust
// store are in a folder of the caller's.
//
//	notation-client <folder> generate
//	notation-client <folder> sign <jws|cose> <registry>/<repository>@<digest>
//	notation-client <folder> verify <registry>/<repository>@<digest>
//	notation-client <folder> list <registry>/<repository>@<digest>
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/notaryproject/notation-core-go/signature/cose"
	"github.com/notaryproject/notation-core-go/signature/jws"
	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/dir"
	"github.com/notaryproject/notation-go/registry"
	"github.com/notaryproject/notation-go/signer"
	"github.com/notaryproject/notation-go/verifier"
	"github.com/notaryproject/notation-go/verifier/trustpolicy"
	"github.com/notaryproject/notation-go/verifier/truststore"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote"
)

var envelopes = map[string]string{"jws": jws.MediaTypeEnvelope, "cose": cose.MediaTypeEnvelope}

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) < 2 {
		return errors.New("usage: notation-client <folder> generate|sign|verify|list …")
	}
	dir.UserConfigDir = args[0]
	switch command, rest := args[1], args[2:]; {
	case command == "generate":
		return generate()
	case command == "sign" && len(rest) == 2:
		return sign(ctx, envelopes[rest[0]], rest[1])
	case command == "verify" && len(rest) == 1:
		return verify(ctx, rest[0])
	case command == "list" && len(rest) == 1:
		return list(ctx, rest[0])
	}
	return fmt.Errorf("unknown command: %v", args[1:])
}

func keyFile() string  { return filepath.Join(dir.UserConfigDir, "key.pem") }
func certFile() string { return filepath.Join(dir.UserConfigDir, "truststore/x509/ca/test/cert.pem") }

func generate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "signer", Organization: []string{"Test"}, Country: []string{"CH"}, Province: []string{"ZH"}},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	encoded, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(certFile()), 0o700); err != nil {
		return err
	}
	return errors.Join(writePem(keyFile(), "EC PRIVATE KEY", encoded), writePem(certFile(), "CERTIFICATE", cert))
}

func writePem(file, kind string, bytes []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600)
}

func readPem(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("no PEM: %s", file)
	}
	return block.Bytes, nil
}

func open(reference string) (registry.Repository, error) {
	repository, err := remote.NewRepository(reference)
	if err != nil {
		return nil, err
	}
	repository.PlainHTTP = true
	return registry.NewRepository(repository), nil
}

func sign(ctx context.Context, envelope, reference string) error {
	keyBytes, err := readPem(keyFile())
	if err != nil {
		return err
	}
	key, err := x509.ParseECPrivateKey(keyBytes)
	if err != nil {
		return err
	}
	certBytes, err := readPem(certFile())
	if err != nil {
		return err
	}
	cert, err := x509.ParseCertificate(certBytes)
	if err != nil {
		return err
	}
	signer, err := signer.NewGenericSigner(key, []*x509.Certificate{cert})
	if err != nil {
		return err
	}
	repository, err := open(reference)
	if err != nil {
		return err
	}
	_, err = notation.Sign(ctx, signer, repository, notation.SignOptions{
		SignerSignOptions: notation.SignerSignOptions{SignatureMediaType: envelope},
		ArtifactReference: reference,
	})
	return err
}

func verify(ctx context.Context, reference string) error {
	policy := &trustpolicy.Document{Version: "1.0", TrustPolicies: []trustpolicy.TrustPolicy{{
		Name:                  "test",
		RegistryScopes:        []string{"*"},
		SignatureVerification: trustpolicy.SignatureVerification{VerificationLevel: trustpolicy.LevelStrict.Name},
		TrustStores:           []string{"ca:test"},
		TrustedIdentities:     []string{"*"},
	}}}
	verifier, err := verifier.New(policy, truststore.NewX509TrustStore(dir.ConfigFS()), nil)
	if err != nil {
		return err
	}
	repository, err := open(reference)
	if err != nil {
		return err
	}
	target, _, err := notation.Verify(ctx, verifier, repository, notation.VerifyOptions{
		ArtifactReference:    reference,
		MaxSignatureAttempts: 50,
	})
	if err == nil {
		fmt.Println(target.Digest)
	}
	return err
}

// list prints the digests of the manifests that carry signatures, one a line.
func list(ctx context.Context, reference string) error {
	repository, err := open(reference)
	if err != nil {
		return err
	}
	target, err := repository.Resolve(ctx, reference)
	if err != nil {
		return err
	}
	return repository.ListSignatures(ctx, target, func(manifests []ocispec.Descriptor) error {
		for _, manifest := range manifests {
			fmt.Println(manifest.Digest)
		}
		return nil
	})
}
