#!/bin/sh
# Makes what compose.demo.yaml needs, beside this file: passwords, and a certificate authority of its own with a certificate
# for the account service. What is there already stays. Needs openssl.
set -eu
umask 077
cd "$(dirname "$0")"
chmod 700 . # what is in here may be read by the containers' users, and thus by everybody who gets in

word() { openssl rand -hex 20; }

[ -e postgres-password ] || word >postgres-password
[ -e pgpass ] || printf 'postgres:5432:*:scimbridge:%s\n' "$(cat postgres-password)" >pgpass
[ -e owner-password ] || word >owner-password

if [ ! -e account.crt ]; then
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj '/CN=scimbridge demo' \
		-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign -keyout ca.key -out ca.pem 2>/dev/null
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=account -keyout account.key -out account.csr 2>/dev/null
	printf 'subjectAltName=DNS:account,DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' >account.ext
	openssl x509 -req -in account.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 365 -extfile account.ext -out account.crt 2>/dev/null
	rm -f account.csr account.ext ca.srl ca.key # nothing else is ever signed
fi

chmod 444 postgres-password pgpass owner-password ca.pem account.crt account.key
echo "Made in $(pwd): passwords, ca.pem, account.crt and account.key."
