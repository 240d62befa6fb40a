"""What users of kimina-client and of SandboxFusion's clients do, against a running server. Run by clients.rs.

python_clients.py fake URL GOOD_KEY   a server whose Lean is the fake REPL
python_clients.py real URL            a server with real Lean
python_clients.py fusion URL          SandboxFusion's client, and what verl sends
"""

import asyncio
import json
import sys
import typing
import urllib.error
import urllib.request

if sys.version_info < (3, 12):
    # pydantic can't read the one of older Pythons, which kimina-client prefers.
    import typing_extensions

    typing.TypedDict = typing_extensions.TypedDict


def statuses(response):
    return {result.id: result.analyze().status.value for result in response.results}


def fake(url, key):
    from kimina_client import AsyncKiminaClient, KiminaClient, Snippet

    client = KiminaClient(api_url=url, api_key=key, n_retries=1)
    assert client.health() == {"status": "ok"}, client.health()
    client.test()

    good = [Snippet(id=f"g{n}", code=f"import A\n\ntheorem t{n} : {n} = {n} := by\n  rfl") for n in range(200)]
    for reuse in (True, False):
        response = client.check(good, reuse=reuse, infotree=None, show_progress=False)
        told = statuses(response)
        assert told == {snippet.id: "valid" for snippet in good}, told
        response.analyze(1.0)
        assert all(result.time > 0 and result.diagnostics is None for result in response.results)

    odd = [
        Snippet(id="timeout_error", code="#check Nat -- fake:hang"),
        Snippet(id="lean_error", code="import A\ntheorem w : 1 = 2 := by\n  no_such_tactic"),
        Snippet(id="sorry", code="theorem s : 1 = 2 := by sorry"),
        Snippet(id="repl_error", code="import Missing.A\n#check Nat"),
        Snippet(id="server_error", code="theorem d : 1 = 1 := by\n  rfl -- fake:die"),
        Snippet(id="valid", code="#check Nat"),
    ]
    told = statuses(client.check(odd, timeout=5, debug=True, show_progress=False))
    assert told == {snippet.id: snippet.id for snippet in odd}, told

    async def asynchronous():
        client = AsyncKiminaClient(api_url=url, api_key=key, n_retries=1)
        await client.test()
        response = await client.check(good[:40], debug=True, show_progress=False)
        # This one keeps the order.
        assert [result.id for result in response.results] == [snippet.id for snippet in good[:40]]
        assert all(result.diagnostics["memory_max"] > 0 for result in response.results)
        await client.close()

    asyncio.run(asynchronous())

    stranger = KiminaClient(api_url=url, api_key="wrong", n_retries=1)
    told = statuses(stranger.check(good[:2], show_progress=False))
    assert told == {"g0": "server_error", "g1": "server_error"}, told
    status, body = post(url + "/api/check", {"snippets": []}, "wrong")
    assert (status, body["detail"]) == (401, "Invalid API key"), body


def real(url):
    from kimina_client import KiminaClient, Snippet

    client = KiminaClient(api_url=url, n_retries=1)
    client.test()
    codes = {
        "valid 1": "theorem t (n : Nat) : n + 0 = n := by\n  simp",
        "valid 2": "theorem t (a b : Nat) : a + b = b + a := by\n  omega",
        "valid 3": "theorem t : 2 + 2 = 4 := rfl",
        "valid 4": "import Init\nset_option maxHeartbeats 400000\nopen Nat\n\ntheorem t (p q : Prop) (h : p ∧ q) : q ∧ p :=\n  ⟨h.2, h.1⟩",
        "valid 5": "def double (n : Nat) := n + n\n\ntheorem t : double 2 = 4 := rfl",
        "lean_error 1": "theorem t (n : Nat) : n = n + 1 := by\n  omega",
        "lean_error 2": "theorem t : 1 = 1 := by\n  exact no_such_name",
        "lean_error 3": "theorem t : 1 = 1 := by",
        "lean_error 4": "theorem t : 10 < 20 := by\n  native_decide",
        "lean_error 5": "axiom a : 1 = 2\n\ntheorem t : 1 = 2 := a",
        "sorry 1": "theorem t (n : Nat) : n = n := by\n  sorry",
    }
    snippets = [Snippet(id=id, code=code) for id, code in codes.items()]
    told = statuses(client.check(snippets, timeout=60, batch_size=20, show_progress=False))
    assert told == {id: id.split()[0] for id in codes}, told


def post(url, body, key=None):
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, data=json.dumps(body).encode(), headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def fusion(url):
    from sandbox_fusion import RunCodeRequest, RunStatus, SummaryMapping, run_code, run_code_async, summary_run_code_result

    names = SummaryMapping(Success="good", Failed="bad", RunFailed="raised", RunTimeout="late")
    for code, stdin, status, name in [
        ("print(int(input()) + 1)", "41\n", RunStatus.Success, "good"),
        ("raise ValueError", None, RunStatus.Failed, "raised"),
        ("while True: pass", None, RunStatus.Failed, "late"),
    ]:
        request = RunCodeRequest(code=code, language="python", stdin=stdin, run_timeout=5)
        response = run_code(request, endpoint=url, max_attempts=1)
        assert response.status == status and summary_run_code_result(response, names) == name, response
        again = asyncio.run(run_code_async(request, endpoint=url, max_attempts=1))
        assert again.status == status, again
    assert run_code(RunCodeRequest(code="print(1)", language="python"), endpoint=url).run_result.stdout == "1\n"
    try:
        run_code(RunCodeRequest(code="int main() {}", language="cpp"), endpoint=url, max_attempts=1)
    except Exception as error:
        assert "`cpp` is not supported" in str(error), error
    else:
        raise AssertionError("C++ was run")

    # verl's reward function, field by field; it takes what is not 2xx for a failure of the API.
    for limit in ({}, {"memory_limit_MB": 512}):
        body = {"compile_timeout": 10, "run_timeout": 10, "code": "print(input()[::-1])", "stdin": "abc"}
        status, answer = post(url + "/run_code", {**body, "language": "python", "files": {}, "fetch_files": [], **limit})
        assert status == 200 and answer["status"] == "Success", answer
        assert answer["compile_result"] is None and answer["run_result"]["status"] == "Finished", answer
        assert answer["run_result"]["stdout"].rstrip("\n") == "cba", answer


{"fake": fake, "real": real, "fusion": fusion}[sys.argv[1]](*sys.argv[2:])
print("all as expected")
