"""Drives the fake server through a whole session with the PyPI package isabelle-client, an independent client.

Arguments: the folder where the package lies, the program `isabelle`, a folder to work in. Prints OK at the end.
"""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from isabelle_client import get_isabelle_client  # noqa: E402
from isabelle_client.data_models import IsabelleResponseType, UseTheoriesResponse  # noqa: E402

program, work = sys.argv[2], Path(sys.argv[3])
server = subprocess.Popen([program, "server", "-n", "pypi"], stdout=subprocess.PIPE, text=True)
line = server.stdout.readline()
again = subprocess.run([program, "server", "-n", "pypi"], stdout=subprocess.PIPE, text=True, timeout=20)
assert (again.returncode, again.stdout) == (0, line), again
client = get_isabelle_client(line)


def kind(response):
    return response.response_type.value


def theory(name, body, imports="Main"):
    (work / f"{name}.thy").write_text(f"theory {name} imports {imports} begin\n{body}\nend\n")


assert client.help()[-1].response_body[0] == "cancel"
assert client.echo({"a": [1, "b"]})[-1].response_body == {"a": [1, "b"]}
built = client.session_build(session="HOL")
assert kind(built[-1]) == "FINISHED" and built[-1].response_body.ok, built
assert any(kind(message) == "NOTE" for message in built)
started = client.session_start(session="HOL")[-1]
session = started.response_body.session_id
assert re.fullmatch(r"[0-9a-f-]{36}", session)

theory("Good", 'lemma good: "(1::nat) + 1 = 2" by simp\nthm_oracles good')
theory("Bad", 'lemma bad: "(1::nat) + 1 = 3" by simp')
theory("Cheat", 'lemma cheat: "(1::nat) = 2" sorry\nthm_oracles cheat')


def use(*names, **options):
    answers = client.use_theories(session, list(names), master_dir=str(work), check_delay=0.05, **options)
    return answers[-1]


good = use("Good", nodes_status_delay=0.01)
assert isinstance(good, UseTheoriesResponse) and good.response_body.ok
node = good.response_body.nodes[0]
assert node.status.consolidated and node.status.percentage == 100 and not node.status.failed
assert node.messages[-1].message == "oracles:" and node.messages[-1].pos.line == 3, node.messages
bad = use("Bad").response_body
assert not bad.ok and "Failed to finish proof" in bad.errors[0].message, bad
assert "Bad context" in bad.errors[1].message, bad
cheat = use("Cheat").response_body
assert cheat.ok and cheat.nodes[0].messages[-1].message == "oracles:\n    skip_proof", cheat
both = use("Good", "Bad").response_body
assert [node.theory_name for node in both.nodes] == ["Draft.Bad", "Draft.Good"] and not both.ok
missing = use("Missing")
assert kind(missing) == "FAILED" and "Cannot load theory file" in missing.response_body.message
(work / "Open.thy").write_text('theory Open imports Main begin\nlemma "(1::nat) = 1" by simp\n')
cut = use("Open", watchdog_timeout=0.5).response_body
assert cut.ok and cut.nodes[0].status.percentage == 99 and not cut.nodes[0].status.consolidated, cut
purged = client.purge_theories(session, ["Good"], master_dir=str(work))[-1].response_body
assert [node.theory_name for node in purged.purged] == ["Draft.Good"], purged
grown = use("Good").response_body
assert "Illegal theory header" in grown.errors[0].message, grown
assert kind(client.cancel("00000000-0000-0000-0000-000000000000")) == "OK"
stopped = client.session_stop(session)[-1]
assert kind(stopped) == "FINISHED", stopped
# The package's own type for this failure asks for fields that a real server does not send.
gone = asyncio.run(client.execute_command(f'session_stop {{"session_id": "{session}"}}'))[-1]
assert kind(gone) == "FAILED" and "No session" in gone.response_body["message"], gone
assert client.shutdown().response_type == IsabelleResponseType.OK
server.wait(10)
print("OK")
