#!/bin/sh
# Makes schema.json.gz anew, of the types in types.txt. For another version of the provider change the two lines below, and
# NOTICE. It needs npm and python3; nothing else here does.
set -eu
package=@cdktn/provider-aws@25.7.0
integrity=13f9e1bb4c95644e265cc8083ee23cb4416dd411312e403b0118e285d1befc799f0dfccbafe384177764151bc8ea0951b77d25aeb05640bc17a82241c5c9b252

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm pack --silent "$package" >/dev/null
echo "$integrity  $(ls ./*.tgz)" | sha512sum -c --quiet -
tar xzf ./*.tgz
python3 "$here/refresh.py" package "$here/types.txt" >schema.json
gzip -9 -n -c schema.json >"$here/schema.json.gz"
