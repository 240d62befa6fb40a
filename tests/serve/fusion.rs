//! The address of SandboxFusion that runs programs.

use crate::common::Server;
use serde_json::{Value, json};

async fn run(server: &Server, code: &str, options: Value) -> Value {
    let mut body = json!({"code": code, "language": "python"});
    body.as_object_mut().expect("an object").extend(options.as_object().expect("an object").clone());
    let answer = server.post("/run_code", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// Status of the whole and of the run, and the return code.
fn told(answer: &Value) -> Value {
    json!([answer["status"], answer["run_result"]["status"], answer["run_result"]["return_code"]])
}

#[tokio::test]
async fn an_answer_has_all_fields() {
    let server = Server::with_fake_repl(&[]);
    let mut answer = run(
        &server,
        "print('hé', input())",
        json!({"stdin": "x\n", "compile_timeout": 10, "files": {}, "fetch_files": [], "more": 1}),
    )
    .await;
    let time = answer["run_result"]["execution_time"].take();
    assert!(time.as_f64().is_some_and(|time| time >= 0.0), "{time}");
    // Set where the tests run, perhaps.
    answer["executor_pod_name"].take();
    let expected = json!({
        "status": "Success",
        "message": "",
        "compile_result": null,
        "run_result": {"status": "Finished", "execution_time": null, "return_code": 0, "stdout": "hé x\n", "stderr": ""},
        "executor_pod_name": null,
        "files": {},
    });
    assert_eq!(answer, expected);
    assert_eq!(server.get("/v1/ping").await.json(), "pong");
}

#[tokio::test]
async fn every_end_has_its_status() {
    let server = Server::with_fake_repl(&["--timeout", "60s"]);
    let raised = run(&server, "print(1)\nraise ValueError('no')", json!({})).await;
    assert_eq!(told(&raised), json!(["Failed", "Finished", 1]));
    assert_eq!(raised["run_result"]["stdout"], "1\n");
    let stderr = raised["run_result"]["stderr"].as_str().expect("a text");
    assert!(stderr.contains("ValueError: no"), "{stderr}");
    assert_eq!(
        told(&run(&server, "import sys; sys.exit(3)", json!({})).await),
        json!(["Failed", "Finished", 3])
    );
    assert_eq!(told(&run(&server, "def", json!({})).await), json!(["Failed", "Finished", 1]));
    let endless =
        run(&server, "print('so far', flush=True)\nwhile True: pass", json!({"run_timeout": 2.5})).await;
    assert_eq!(told(&endless), json!(["Failed", "TimeLimitExceeded", null]));
    assert_eq!(endless["run_result"]["stdout"], "so far\n");
    let hungry =
        run(&server, "x = []\nwhile True: x.append(bytearray(1 << 20))", json!({"memory_limit_MB": 128}))
            .await;
    assert_eq!(told(&hungry), json!(["Failed", "Finished", -9]), "{hungry}");
    let loud = run(&server, "while True: print('x' * 65536)", json!({"run_timeout": 60})).await;
    assert_eq!(told(&loud), json!(["Failed", "Finished", -9]));
}

#[tokio::test]
async fn what_is_not_done_here_is_said() {
    let server = Server::with_fake_repl(&[]);
    for (options, words) in [
        (json!({"language": "cpp"}), "language `cpp` is not supported"),
        (json!({"language": "pytest"}), "language `pytest` is not supported"),
        (json!({"files": {"a.txt": "eA=="}}), "`files` is not supported"),
        (json!({"fetch_files": ["a.txt"]}), "`fetch_files` is not supported"),
    ] {
        let answer = run(&server, "print(1)", options).await;
        assert_eq!(told(&answer), json!(["SandboxError", null, null]), "{answer}");
        assert!(answer["message"].as_str().expect("a text").contains(words), "{answer}");
    }
    for (options, field) in [
        (json!({"code": null}), "code"),
        (json!({"run_timeout": 0}), "run_timeout"),
        (json!({"run_timeout": "1"}), "run_timeout"),
        (json!({"memory_limit_MB": 0}), "memory_limit_MB"),
    ] {
        let mut body = json!({"code": "print(1)", "language": "python"});
        body.as_object_mut().expect("an object").extend(options.as_object().expect("an object").clone());
        let answer = server.post("/run_code", &body).await;
        assert_eq!(
            (answer.status, &answer.json()["detail"][0]["loc"]),
            (422, &json!(["body", field])),
            "{}",
            answer.text
        );
    }
}
