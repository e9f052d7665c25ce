#!/bin/sh
# Makes packages for Debian and for Fedora's kin from the Go toolchain alone:
#
#	deploy/systemd/build.sh [FOLDER]        FOLDER: where to, "bin/distributions" unless it is named
#
# GOARCHS names the architectures, "amd64 arm64" unless it is set. Needs go, dpkg-deb and rpmbuild. The same source makes the
# same packages: what is packed bears the time of SOURCE_DATE_EPOCH, which is that of the commit unless it is set.
set -eu
umask 022
out=$(mkdir -p "${1:-bin/distributions}" && cd "${1:-bin/distributions}" && pwd)
cd "$(dirname "$0")/../.."
from=deploy/systemd
version=$(sed -n 's/^	version = "\(.*\)"$/\1/p' cmd/scimbridge/version.go)
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}"
export SOURCE_DATE_EPOCH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fill FILE: a template with the version in it.
fill() { sed "s/@VERSION@/$version/" "$1"; }

# tree FOLDER GOARCH: the files as they are going to be installed.
tree() {
	install -d "$1/usr/bin" "$1/usr/share/man/man8"
	CGO_ENABLED=0 GOOS=linux GOARCH=$2 ${GO:-go} build -trimpath -ldflags='-s -w' -o "$1/usr/bin/scimbridge" ./cmd/scimbridge
	install -D -m 644 -t "$1/usr/lib/systemd/system" $from/scimbridge.service $from/scimbridge-account.service
	install -D -m 644 $from/sysusers.conf "$1/usr/lib/sysusers.d/scimbridge.conf"
	install -D -m 640 -t "$1/etc/scimbridge" $from/scimbridge.env $from/account.env
	install -D -m 644 -t "$1/usr/share/scimbridge" $from/next.txt
	fill $from/scimbridge.8 | gzip -9n >"$1/usr/share/man/man8/scimbridge.8.gz"
	install -D -m 644 -t "$1/usr/share/doc/scimbridge/examples" $from/examples/*.conf
	install -D -m 644 LICENSE "$1/usr/share/doc/scimbridge/copyright"
	install -D -m 644 -t "$1/usr/share/doc/scimbridge" CHANGELOG.md
	find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

for arch in ${GOARCHS:-amd64 arm64}; do
	files=$work/$arch/files
	tree "$files" "$arch"

	deb=$work/$arch/deb
	cp -a "$files" "$deb"
	install -d "$deb/DEBIAN"
	fill $from/debian/control | sed "s/@ARCH@/$arch/; s/@SIZE@/$(du -sk --apparent-size "$files" | cut -f1)/" >"$deb/DEBIAN/control"
	install -m 644 -t "$deb/DEBIAN" $from/debian/conffiles
	install -m 755 -t "$deb/DEBIAN" $from/debian/postinst $from/debian/prerm $from/debian/postrm
	(cd "$files" && find . -type f ! -path './etc/*' -printf '%P\n' | LC_ALL=C sort | xargs md5sum) >"$deb/DEBIAN/md5sums"
	find "$deb" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	dpkg-deb --root-owner-group -Zzstd -z9 -b "$deb" "$out/scimbridge_${version}_$arch.deb"

	case $arch in amd64) rpm=x86_64 ;; arm64) rpm=aarch64 ;; *) rpm=$arch ;; esac
	rpmbuild -bb --quiet --target "$rpm-linux" --define "version $version" --define "tree $files" --define "_topdir $work/$arch/rpm" \
		--define "_rpmdir $work/$arch" --define "_dbpath $work/db" --define '_binary_payload w9.zstdio' $from/scimbridge.spec
	cp "$work/$arch/$rpm/scimbridge-$version-1.$rpm.rpm" "$out/"
	echo "scimbridge: made $out/scimbridge-$version-1.$rpm.rpm"
done
