#!/usr/bin/env bash
# Builds the clients, the conformance suite and the object stores that are written in Go into .cache/tools/bin, where the
# tests look for them.
# Without Go it only says what is missing: the tests of a missing program are skipped, and name it.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
bin=$root/.cache/tools/bin

# A package, and the name of the program if that differs from the package's.
go_tools=(
  github.com/google/go-containerregistry/cmd/crane@v0.22.1
  oras.land/oras/cmd/oras@v1.3.6
  github.com/regclient/regclient/cmd/regctl@v0.11.7
  github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.1
  github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv@v2.10.1
  github.com/opencontainers/distribution-spec/conformance@v0.0.0-20260831232431-97274622c111
  github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3
  github.com/fsouza/fake-gcs-server@v1.56.1
  github.com/versity/versitygw/cmd/versitygw@v1.8.0
  github.com/distribution/distribution/v3/cmd/registry@v3.1.1
  helm.sh/helm/v3/cmd/helm@v3.22.0
  'github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0 toxiproxy-server'
)
# Their go.mod replaces modules, which `go install` refuses: a module, and the package in it that is the program.
replacing_go_tools=('github.com/seaweedfs/seaweedfs@v0.0.0-20261109003541-7506e5f91cd6 weed')
# Of this repository: small programs around libraries that have no command line to install. A folder, and the name of the program.
own_go_tools=('test/e2e/clients/notation notation-client' 'test/processes/collector otel-collector')
debian_tools=(skopeo podman buildah docker-registry containerd)

# A tool is built again when its version above changes.
install_go_tool() {
  local module=$1 built=${1%@*} name
  built=${built##*/}
  name=${2:-$built}
  local stamp=$bin/.$name.version
  if [[ -x $bin/$name && $(cat "$stamp" 2>/dev/null) == "$module" ]]; then return; fi
  if ! command -v go >/dev/null; then
    command -v "$name" >/dev/null || echo "missing: $name (install Go to have it built here)"
    return
  fi
  echo "building $module"
  GOBIN=$bin GOFLAGS=-buildvcs=false go install "$module"
  [[ $name == "$built" ]] || mv "$bin/$built" "$bin/$name"
  echo "$module" >"$stamp"
}

# Built in the module's own folder of the module cache, where its go.mod is the main one.
install_replacing_go_tool() {
  local module=$1 name=${2##*/} stamp folder
  stamp=$bin/.$name.version
  if [[ -x $bin/$name && $(cat "$stamp" 2>/dev/null) == "$module" ]]; then return; fi
  if ! command -v go >/dev/null; then
    command -v "$name" >/dev/null || echo "missing: $name (install Go to have it built here)"
    return
  fi
  echo "building $module"
  folder=$(go mod download -json "$module" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
  (cd "$folder" && GOFLAGS='-buildvcs=false -mod=readonly' go build -ldflags='-s -w' -o "$bin/$name" "./$2")
  echo "$module" >"$stamp"
}

# Built again when its source or the versions it pins change.
install_own_go_tool() {
  local folder=$root/$1 name=$2
  local stamp=$bin/.$name.version version
  version=$(cat "$folder"/main.go "$folder"/go.mod "$folder"/go.sum | sha256sum)
  if [[ -x $bin/$name && $(cat "$stamp" 2>/dev/null) == "$version" ]]; then return; fi
  if ! command -v go >/dev/null; then
    echo "missing: $name (install Go to have it built here)"
    return
  fi
  echo "building $1"
  (cd "$folder" && GOFLAGS='-buildvcs=false -mod=readonly' go build -ldflags='-s -w' -o "$bin/$name" .)
  echo "$version" >"$stamp"
}

mkdir -p "$bin"
for tool in "${go_tools[@]}"; do install_go_tool $tool; done
for tool in "${replacing_go_tools[@]}"; do install_replacing_go_tool $tool; done
for tool in "${own_go_tools[@]}"; do install_own_go_tool $tool; done
for name in "${debian_tools[@]}"; do
  command -v "$name" >/dev/null || echo "missing: $name (Debian: apt-get install $name)"
done
