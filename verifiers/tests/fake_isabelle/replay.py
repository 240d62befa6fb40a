"""Gives the fake server the commands of the recorded logs and compares what it says with what the real one said.

Arguments: the program `isabelle`, the folder of the logs, a folder to work in. Prints OK at the end. Identities of tasks and
sessions, folders, and the number of progress notes may differ; nothing else may.
"""

import ast
import json
import os
import re
import socket
import subprocess
import sys
import time

program, logs, work = sys.argv[1:4]
IMPLIES, OPEN, CLOSE = "\\<Longrightarrow>", "\\<open>", "\\<close>"
SAME, OTHER = (f'lemma a: "PROP A {IMPLIES} PROP {x}" ' for x in "AB")
SUM = '"(x::nat) + y = y + x'
THEORIES = {
    "PGood": f"Pure begin\n{SAME}.\nthm_oracles a\nend\n",
    "PBad": f"Pure begin\n{OTHER}.\nend\n",
    "PSorry": f"Pure begin\n{OTHER}sorry\nthm_oracles a\nend\n",
    "PUnfin": f"Pure begin\n{SAME}.\n",
    "PLoop": f"Pure begin\nML {OPEN}fun loop () : unit = loop (){CLOSE}\n{SAME}.\nML_val {OPEN}loop (){CLOSE}\nend\n",
    "PNoImp": "NoSuchThing begin\nend\n",
    "PSlow": f"Pure begin\n{SAME}.\nML_val {OPEN}OS.Process.sleep (seconds 20.0){CLOSE}\nend\n",
    "PExit": f"Pure begin\n{SAME}.\nML_val {OPEN}OS.Process.exit OS.Process.success{CLOSE}\nend\n",
    "T": f"Main begin\nlemma {SUM}\" by simp\nlemma good: {SUM}\" by simp\nthm_oracles good\nend\n",
    "Bad": f"Main begin\nlemma bad: {SUM} + 1\" by simp\nend\n",
    "Sorry": f"Main begin\nlemma s: {SUM} + 1\" sorry\nthm_oracles s\nend\n",
}


def put(name, text):
    with open(os.path.join(work, name + ".thy"), "w", encoding="utf-8") as file:
        file.write(text)


class Client:
    def __init__(self, line):
        _, port, self.password = re.fullmatch(r'server "(.*)" = 127\.0\.0\.1:(\d+) \(password "(.*)"\)\n', line).groups()
        self.socket = socket.create_connection(("127.0.0.1", int(port)), 30)
        self.reader = self.socket.makefile("rb")

    def send(self, text):
        self.socket.sendall(text.encode() + b"\n")

    def read(self):
        """One message, and whether it had its length in front."""
        line = self.reader.readline()
        if line[:-1].isdigit():
            return self.reader.read(int(line))[:-1].decode(), True
        return line[:-1].decode(), False


def recorded(name):
    """(command, [messages]) of a log, up to the first line of another form."""
    exchanges = []
    with open(os.path.join(logs, name), encoding="utf-8") as file:
        for line in file:
            match = re.match(r"\[ *[0-9.]+\] (>>>|<<<) (.*)", line)
            if match and match.group(1) == ">>>":
                exchanges.append((match.group(2), []))
            elif match:
                data = ast.literal_eval(match.group(2))
                header, _, body = data.partition(b"\n")
                exchanges[-1][1].append((body if header.isdigit() else header, header.isdigit()))
    return [(command, [(data.decode().rstrip("\n"), is_long) for data, is_long in said]) for command, said in exchanges]


def parsed(message):
    name, _, body = message.partition(" ")
    return name, json.loads(body) if body else None


def normal(value, key=None):
    """Without what differs from run to run."""
    if isinstance(value, dict):
        return {name: normal(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [normal(inner, key) for inner in value]
    if isinstance(value, str):
        value = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", value)
        value = re.sub(r"(/[\w.-]+)+/server_session\d+", "TMP", value)
        value = re.sub(re.escape(work) + r"|/opt/isabelle-srv/tp|/opt/isabelle-srv/th", "WORK", value)
        # Reports for editors: that there are some is all that is compared.
        value = re.sub("\5\6\5\5\6report.*\5", "REPORT", value, flags=re.S)
        return "ID" if key == "isabelle_id" else value
    return value


def without_progress(messages):
    """The set of the kinds of notes, and the other messages in order."""
    notes, others = set(), []
    for message, is_long in messages:
        name, value = parsed(message)
        if name == "NOTE":
            if value["kind"] == "nodes_status":
                shape = sorted(value["nodes_status"][0]["status"])
            else:
                fixed = "" if "percentage" in value else normal(value["message"])
                shape = [*sorted(value), fixed]
            notes.add(json.dumps(shape))
        else:
            others.append((name, normal(value), is_long))
    return notes, others


def until_the_end(client):
    """The result of the task that the client waits for."""
    while True:
        name, value = parsed(client.read()[0])
        assert name in ("OK", "NOTE", "FINISHED"), (name, value)
        if name == "FINISHED":
            return value


def connections(line):
    """A session outlives its connection, a task does not. What a command does not know of its fields counts for nothing."""

    def connect(command):
        client = Client(line)
        client.send(client.password)
        assert client.read()[0].startswith("OK ")
        client.send(command)
        return client

    started = connect('session_start {"session": "Pure", "no_such_field": 1}')
    session = until_the_end(started)["session_id"]
    started.socket.shutdown(socket.SHUT_RDWR)
    use = lambda name: "use_theories " + json.dumps(
        {"session_id": session, "theories": [name], "master_dir": work, "check_delay": 0.1, "check_limit": "wrong"})
    slow = connect(use("PSlow"))
    while "percentage" not in slow.read()[0]:
        pass
    slow.socket.shutdown(socket.SHUT_RDWR)
    before = time.monotonic()
    result = until_the_end(connect(use("PGood")))
    assert result["nodes"][0]["status"]["consolidated"], result
    assert time.monotonic() - before < 15, "the slow theory, of 20 s, was not given up with its connection"


def replay(log, until, home):
    env = {**os.environ, "HOME": home, "USER_HOME": home}
    server = subprocess.Popen([program, "server", "-n", "replay"], stdout=subprocess.PIPE, text=True, env=env)
    line = server.stdout.readline()
    client = Client(line)
    ids = {}
    for name, body in THEORIES.items():
        put(name, f"theory {name} imports {body}")
    put("PBadHdr", "theory Other imports Pure begin\nend\n")
    compared = uses = 0
    exchanges = recorded(log)
    for index, (command, expected) in enumerate(exchanges):
        if until(command):
            break
        if '"Bad"' in command:
            uses += 1
            if uses == 2:
                put("Bad", f"theory Bad imports Main begin\nlemma bad: {SUM}\" by simp\nend\n")
        # What follows a cancel belongs to the task that was cancelled.
        is_open = index + 1 < len(exchanges) and exchanges[index + 1][0].startswith("cancel")
        sent = client.password if command == "PASSWORD" else command
        for old, new in ids.items():
            sent = sent.replace(old, new)
        sent = re.sub(r"/opt/isabelle-srv/t[ph]", work, sent)
        client.send(sent)
        said, ended = [], False
        is_task = command.split(" ")[0] in ("session_start", "session_stop", "use_theories")
        is_last = len(exchanges) == index + 1 and len(expected) == 1
        while not ended:
            message = client.read()
            said.append(message)
            name, value = parsed(message[0])
            ended = name in ("FINISHED", "FAILED", "ERROR") or name == "OK" and (not is_task or is_open or is_last)
            if command.startswith("cancel") and name == "OK":
                ended = False
        if is_open:
            time.sleep(2.5)  # until there is a note of progress
        for (old, _), (new, _) in zip(expected[:1], said[:1]):
            if (parsed(old)[1] or {}).get("task"):
                ids[parsed(old)[1]["task"]] = parsed(new)[1]["task"]
        old, new = parsed(expected[-1][0])[1], parsed(said[-1][0])[1]
        if old and old.get("session_id"):
            ids[old["session_id"]] = new["session_id"]
        (notes, others), (our_notes, ours) = without_progress(expected), without_progress(said)
        assert ours == others, f"{command}\nreal {others}\nfake {ours}"
        assert our_notes <= notes or notes <= our_notes, f"{command}\nreal {notes}\nfake {our_notes}"
        compared += 1
    # Answers to what can't be understood, word for word.
    for command, answer in [
        ("unknown x", "ERROR \"Bad command 'unknown'\""),
        ('use_theories {"bad": 1}', r'''ERROR {"kind":"error","message":"Bad argument for command 'use_theories'","argument":"{\"bad\": 1}"}'''),
        ("use_theories {bad", r'''ERROR {"kind":"error","message":"Malformed argument for command 'use_theories'","argument":"{bad"}'''),
        ("echo", "OK"),
        ('echo {"a": [1]}', 'OK {"a": [1]}'),
        ("8\necho 12\n", "OK 12"),
        ("cancel {\"task\":\"00000000-0000-0000-0000-000000000000\"}", "OK"),
        ("help", 'OK ["cancel","echo","help","purge_theories","session_build","session_start","session_stop","shutdown","use_theories"]'),
        ("", "NOTE \"Command 'help' provides list of commands\""),
    ]:
        client.send(command.removesuffix("\n"))
        message = client.read()
        while message[0].startswith("NOTE {"):
            message = client.read()
        assert message == (answer, len(answer.encode()) > 100), f"{command}: {message}"
    other = Client(f'server "replay" = 127.0.0.1:{client.socket.getpeername()[1]} (password "{client.password}")\n')
    other.send("wrong")
    assert other.reader.read() == b"", "a wrong password closes the connection in silence"
    connections(line)
    client.send("shutdown")
    while client.read()[0] != "OK":
        pass
    server.wait(10)
    return compared


counts = [
    replay("pure-session.log", lambda command: False, os.path.join(work, "home1")),
    replay("pure-errors-cancel-purge.log", lambda command: False, os.path.join(work, "home2")),
    replay("hol-session.log", lambda command: "mathd" in command, os.path.join(work, "home3")),
]
assert counts == [11, 12, 6], counts
print("OK")
