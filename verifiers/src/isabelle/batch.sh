# Runs a tool of Isabelle with settings for this worker.
# $1: the program `isabelle`; $2: settings; then the tool and its arguments.
set -u
isabelle=$1
user=$("$isabelle" getenv -b ISABELLE_HOME_USER) && mkdir -p "$user/etc" && printf '%s' "$2" >"$user/etc/settings" || exit 71
shift 2
exec "$isabelle" "$@"
