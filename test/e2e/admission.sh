#!/usr/bin/env bash
# How people get into an account, from the identity provider's first request to the key of a group in a person's hands,
# with the account service and the bridge as processes of their own. Read it as a tour; run it with
#
#	go test -count=1 -v -run TestAdmission ./test/e2e
#
# which builds the program, makes a certificate authority, starts PostgreSQL and says where all of it is:
#
#	SCIMBRIDGE           the program
#	DIR                  an empty folder for whatever is written
#	CA, CERT, KEY        PEM files: the authority, and the account service's certificate and key for 127.0.0.1
#	PORTS                three free ports
#	SCIMBRIDGE_DATABASE  URL of an empty PostgreSQL database; empty: the account is in SQLite
#
# It ends with a status that is not 0 at the first thing that is not as it says, and ends whatever it has started.
set -euo pipefail
[ -n "${SCIMBRIDGE-}" ] || { cd "$(dirname "$0")" && exec go test -count=1 -v -run TestAdmission .; }
cd "$DIR"
read -r account_port first_port second_port <<<"$PORTS"
account=https://127.0.0.1:$account_port
export SSL_CERT_FILE=$CA # bridges, people and curl trust the account service by it

# ── Words ───────────────────────────────────────────────────────────────────────────────────────────────────────────

say() { printf '%s\n' "$*"; }
fail() {
	say "NOT AS TOLD: $*"
	tail -n 20 ./*.log
	exit 1
}

# eventually WHAT COMMAND… waits until the command succeeds.
eventually() {
	local what=$1 end=$((SECONDS + 60))
	shift
	until "$@" >eventually.out 2>&1; do
		[ $SECONDS -lt $end ] || fail "$what: $(cat eventually.out)"
		sleep 0.05
	done
}

# refused REASON COMMAND… says that the command must fail, for this reason.
refused() {
	local reason=$1
	shift
	if "$@" >refused.out 2>&1; then fail "this should have been refused: $*"; fi
	grep -q -- "$reason" refused.out || fail "refused for another reason than \"$reason\": $(cat refused.out)"
}

member() { sed -E 's/.*"'"$1"'":"?([^",}]*).*/\1/'; } # member NAME: the value of a member of JSON

# okta METHOD PATH [BODY] sends a request as Okta does. The answer goes to standard output; any status but 2xx fails.
okta() {
	curl -sS --fail-with-body --max-time 30 -X "$1" "$(cat bridge)/scim/v2$2" -H "Authorization: Bearer $(cat idp-token)" \
		-H 'Accept: application/scim+json' -H 'Accept-Charset: utf-8' -H 'User-Agent: Okta SCIM Client 1.0.0' \
		-H 'Content-Type: application/scim+json; charset=utf-8' ${3:+--data "$3"}
}

# start NAME COMMAND… starts a process whose log is NAME.log and whose number is in NAME.pid.
start() {
	local name=$1
	shift
	"$@" >"$name.out" 2>"$name.log" &
	echo $! >"$name.pid"
}

stop_all() {
	local status=$? file
	touch traffic.stop
	for file in ./*.pid; do
		[ ! -e "$file" ] || kill "$(cat "$file")" 2>/dev/null || true
	done
	wait
	exit "$status"
}
trap stop_all EXIT

serve_bridge() { # NAME SESSION PORT
	OP_SESSION=$2 start "$1" "$SCIMBRIDGE" serve --listen "127.0.0.1:$3"
	eventually "$1 does not answer" curl -sS --fail "http://127.0.0.1:$3/ping"
}

opens() { "$SCIMBRIDGE" account open --group Engineering --kit "$1-kit.txt" --password-file "$1-password" "${@:2}"; }
state() { "$SCIMBRIDGE" account show "$1@example.com" --json "${store[@]}" | member state; }
is() { [ "$(state "$1")" = "$2" ]; }
link() { "$SCIMBRIDGE" account outbox --json "${store[@]}" 2>/dev/null | grep "\"$1@example.com\"" | member link; }
has_link() { [ -n "$(link "$1")" ]; }

# ── The account ─────────────────────────────────────────────────────────────────────────────────────────────────────

for who in owner ann ben carla; do echo "correct horse of $who" >"$who-password"; done
store=(--data "$DIR/data")
where=SQLite
if [ -n "${SCIMBRIDGE_DATABASE-}" ]; then
	store=(--database-url "$SCIMBRIDGE_DATABASE")
	where=PostgreSQL
fi
"$SCIMBRIDGE" credentials new "${store[@]}" --account Example --owner olivia@example.com --owner-name Olivia \
	--kit owner-kit.txt --password-file owner-password --url "$account" --out session-1 --token-file token-1 2>setup.log
say "An account with its owner Olivia is in $where; a scimsession and a bearer token have been made for the bridge."

start account "$SCIMBRIDGE" account serve "${store[@]}" --listen "127.0.0.1:$account_port" --tls-cert-file "$CERT" --tls-key-file "$KEY" --public-url "$account"
eventually "the account service does not answer" curl -sS --fail --cacert "$CA" "$account/ping"
say "The account service serves it at https://127.0.0.1, with a certificate of an authority of our own."

serve_bridge bridge-1 session-1 "$first_port"
echo "http://127.0.0.1:$first_port" >bridge
cp token-1 idp-token
say "A bridge runs as a process of its own. It has the scimsession, which is sealed: it is locked."

# ── The identity provider ───────────────────────────────────────────────────────────────────────────────────────────

okta GET '/Users?startIndex=1&count=2' | grep -q '"totalResults":' || fail "no list"
grep -q unlocked bridge-1.log || fail "the bridge is still locked"
say "Okta tests the connection; its bearer token has unlocked the bridge."

for who in ann ben carla; do
	okta GET "/Users?filter=userName%20eq%20%22$who%40example.com%22" | grep -q '"totalResults":0' || fail "$who is there already"
	okta POST /Users '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"'$who'@example.com","name":{"givenName":"'$who'","familyName":"Doe"},"emails":[{"primary":true,"value":"'$who'@example.com","type":"work"}],"displayName":"'$who' Doe","locale":"en-US","externalId":"00u'$who'","groups":[],"password":"1mz050nq","active":true}' >"$who.json"
	member id <"$who.json" >"$who.id"
done
okta POST /Groups '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Engineering","members":[]}' | member id >group.id
okta PATCH "/Groups/$(cat group.id)" '{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"members","value":[{"value":"'"$(cat ann.id)"'","display":"ann@example.com"},{"value":"'"$(cat ben.id)"'","display":"ben@example.com"},{"value":"'"$(cat carla.id)"'","display":"carla@example.com"}]}]}' >/dev/null
for who in ann ben carla; do is $who INVITED || fail "$who is $(state $who)"; done
say "Okta has made Ann, Ben and Carla and pushed the group Engineering with the three. All are INVITED, nobody has keys."

# ── The people ──────────────────────────────────────────────────────────────────────────────────────────────────────

for who in ann ben; do
	eventually "no link for $who" has_link $who
	"$SCIMBRIDGE" account join "$(link $who)" --kit $who-kit.txt --password-file $who-password 2>$who-join.log
done
say "The bridge has made the links of their invitations. Ann and Ben have joined: each made keys and has an emergency kit."

for who in ann ben; do eventually "$who is not confirmed" is $who ACTIVE; done
say "The bridge has verified and confirmed both: they are ACTIVE. Nobody was at a keyboard."

echo "The launch is on Thursday." | "$SCIMBRIDGE" account seal --group Engineering "${store[@]}" >secret.sealed
for who in ann ben; do
	[ "$(opens $who secret.sealed)" = "The launch is on Thursday." ] || fail "$who cannot open the file"
done
say "A text was sealed to Engineering. Ann opens it, and so does Ben."

# Carla has no keys. Somebody who says to be Carla, with a kit like hers, does not get in either.
sed -e "s/$(cat ann.id)/$(cat carla.id)/" -e s/ann@/carla@/ ann-kit.txt >carla-kit.txt
refused "sign in" opens carla secret.sealed
rm carla-kit.txt
say "Carla, who is in the group and has not joined, cannot."

# ── Suspended ───────────────────────────────────────────────────────────────────────────────────────────────────────

okta PATCH "/Users/$(cat ben.id)" '{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","value":{"active":false}}]}' | grep -q '"active":false' || fail "Ben is not inactive"
is ben SUSPENDED || fail "Ben is $(state ben)"
refused "sign in" opens ben secret.sealed
opens ann secret.sealed >/dev/null || fail "Ann cannot open the file any more"
say "Okta has deactivated Ben: from now on he opens nothing. Ann still does."

# ── New credentials, while requests go on ───────────────────────────────────────────────────────────────────────────

# traffic NAME asks and changes without a pause, at whichever bridge and with whichever token the files name.
traffic() {
	local n=0 failures=0
	until [ -e traffic.stop ]; do
		n=$((n + 2))
		okta GET "/Users?filter=userName%20eq%20%22ann%40example.com%22" >"traffic-$1.out" 2>&1 || failures=$((failures + 1))
		okta PATCH "/Users/$(cat ann.id)" '{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","value":{"title":"Engineer '"$n"'"}}]}' >"traffic-$1.out" 2>&1 || failures=$((failures + 1))
		echo "$n $failures" >"traffic-$1.tmp" && mv "traffic-$1.tmp" "traffic-$1.count"
	done
}
counted() { cat traffic-*.count | awk -v of="$1" '{ sum += $of } END { print sum + 0 }'; }
# ten more requests have been answered since.
ten_more() {
	local before
	before=$(counted 1)
	eventually "no request is answered" more_than $((before + 9))
}
more_than() { [ "$(counted 1)" -gt "$1" ]; }
point() { echo "$2" >"$1.new" && mv "$1.new" "$1"; } # point FILE TEXT: at once, for whoever reads it

for n in 1 2; do
	traffic $n &
	echo $! >traffic-$n.pid
done
eventually "no request is answered" more_than 9
"$SCIMBRIDGE" credentials new "${store[@]}" --overlap 1h --previous session-1 --out session-2 --token-file token-2 \
	--kit owner-kit.txt --password-file owner-password --url "$account" 2>>setup.log
ten_more
serve_bridge bridge-2 session-2 "$second_port"
point bridge "http://127.0.0.1:$second_port" # as a load balancer would
ten_more
kill "$(cat bridge-1.pid)"
wait "$(cat bridge-1.pid)" || fail "the first bridge did not drain"
rm bridge-1.pid
ten_more
point idp-token "$(cat token-2)"
ten_more
touch traffic.stop
wait "$(cat traffic-1.pid)" "$(cat traffic-2.pid)"
rm traffic-1.pid traffic-2.pid
[ "$(counted 2)" = 0 ] || fail "$(counted 2) of $(counted 1) requests failed: $(cat traffic-*.out)"
say "New credentials, a second bridge with them, the first one drained, Okta changed to the new token: $(counted 1) requests meanwhile, $(counted 2) failed."

eventually "no link for carla" has_link carla
"$SCIMBRIDGE" account join "$(link carla)" --kit carla-kit.txt --password-file carla-password 2>carla-join.log
eventually "carla is not confirmed" is carla ACTIVE
[ "$(opens carla secret.sealed)" = "The launch is on Thursday." ] || fail "Carla cannot open the file"
say "Carla has joined with the link from before, and the second bridge has confirmed her: now she opens the text too."

"$SCIMBRIDGE" account verify "${store[@]}" >verify.out || fail "$(cat verify.out)"
say "$(cat verify.out)"
