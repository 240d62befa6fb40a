# Starts an Isabelle server in the sandbox and joins its one connection to standard input and output.
# $1: the program `isabelle`; $2: the server's name; $3: settings for this worker.
# First comes the server's own line on standard output, then nothing but its bytes.
set -u
user=$("$1" getenv -b ISABELLE_HOME_USER) && mkdir -p "$user/etc" && printf '%s' "$3" >"$user/etc/settings" || exit 71
exec {input}<&0
coproc SERVER { exec "$1" server -n "$2" </dev/null; }
IFS= read -r line <&"${SERVER[0]}" || exit 72
# Kept open, so that nothing that the server prints later kills it.
exec {rest}<&"${SERVER[0]}"
printf '%s\n' "$line"
[[ $line =~ \ =\ 127\.0\.0\.1:([0-9]+)\  ]] || exit 73
exec {socket}<>"/dev/tcp/127.0.0.1/${BASH_REMATCH[1]}" || exit 74
cat <&"$input" >&"$socket" &
exec cat <&"$socket"
