//! The files in `deploy/` and the README against the program: its flags, its addresses, its numbers.

#![expect(clippy::disallowed_methods, reason = "the program itself, and the tools of those who deploy it")]

use crate::common::{Server, send};
use crate::python::packages;
use reqwest::Method;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_proofloop");

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn both(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The program reads these arguments of `serve`, all of them: with `--new-key` it ends right after.
fn assert_serves(arguments: &[&str], from: &str) {
    let ran = Command::new(PROGRAM).arg("serve").args(arguments).args(["--new-key", "test"]).output();
    let ran = ran.expect("starts");
    assert!(ran.status.success(), "{from}: {arguments:?}: {}", both(&ran));
    assert!(arguments.len() > 3, "{from}: {arguments:?}");
}

/// What stands behind `ExecStart=`, in words.
fn unit_command(unit: &str) -> Vec<String> {
    let joined = unit.replace("\\\n", " ");
    let command = joined.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("an ExecStart");
    command.split_whitespace().map(str::to_owned).collect()
}

/// The list behind an instruction of a container file that has the form of JSON.
fn instruction(file: &str, name: &str) -> Vec<String> {
    let line = file.lines().rfind(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}"));
    serde_json::from_str(line[name.len()..].trim()).unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// The items of the list `args:` in the manifest.
fn manifest_arguments(manifest: &str) -> Vec<&str> {
    let lines = manifest.lines().map(str::trim).skip_while(|line| *line != "args:").skip(1);
    lines.map_while(|line| line.strip_prefix("- ")).collect()
}

fn as_texts(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

fn value_of<'a>(arguments: &[&'a str], flag: &str) -> &'a str {
    arguments.iter().find_map(|argument| argument.strip_prefix(flag)?.strip_prefix('=')).expect("a value")
}

#[test]
fn the_program_takes_the_arguments_of_every_file() {
    let unit = unit_command(&read("deploy/proofloop.service"));
    assert_eq!(unit[..2], ["/usr/local/bin/proofloop", "serve"]);
    assert_serves(&as_texts(&unit[2..]), "proofloop.service");
    let file = read("deploy/Containerfile");
    let (entry, rest) = (instruction(&file, "ENTRYPOINT"), instruction(&file, "CMD"));
    assert_eq!(entry[..2], ["proofloop", "serve"]);
    assert_serves(&as_texts(&[&entry[2..], &rest].concat()), "Containerfile");
    let manifest = read("deploy/kubernetes.yaml");
    let arguments = manifest_arguments(&manifest);
    assert_serves(&arguments, "kubernetes.yaml");
    // An image's entry comes before them.
    assert_serves(&[&as_texts(&entry[2..])[..], &arguments].concat(), "the image in kubernetes.yaml");
}

#[test]
fn the_numbers_of_every_file_go_together() {
    let seconds = |text: &str| humantime::parse_duration(text).expect("a time").as_secs();
    let unit = read("deploy/proofloop.service");
    let command = unit_command(&unit);
    let grace = command.iter().skip_while(|word| *word != "--grace").nth(1).expect("a grace");
    let stop = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")).expect("a TimeoutStopSec");
    assert!(stop.parse::<u64>().expect("seconds") > seconds(grace), "systemd kills before --grace is over");

    let manifest = read("deploy/kubernetes.yaml");
    let arguments = manifest_arguments(&manifest);
    let number = |name: &str| -> u64 {
        let text = manifest.split(name).nth(1).unwrap_or_else(|| panic!("no {name}"));
        let digits: String = text.trim_start().chars().take_while(char::is_ascii_digit).collect();
        digits.parse().expect("a number")
    };
    let grace = seconds(value_of(&arguments, "--grace"));
    let end = number("terminationGracePeriodSeconds:");
    assert!(end > grace + number("sleep: {seconds:"), "a pod is killed before --grace is over");
    let jobs: u64 = value_of(&arguments, "--jobs").parse().expect("a number");
    let memory: bytesize::ByteSize = value_of(&arguments, "--memory").parse().expect("a size");
    let container = manifest.split("      containers:\n").nth(1).expect("containers");
    let limit = container.split("limits: {memory: ").nth(1).and_then(|rest| rest.split('}').next());
    let limit: bytesize::ByteSize = format!("{}B", limit.expect("a limit")).parse().expect("a size");
    assert!(limit.0 >= 3 * jobs * memory.0 + (1 << 30), "{limit} is less than what candidates may take");
}

/// Words in back quotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The section of the README on the server, and the file beside the deployment files.
fn documents() -> [(&'static str, String); 2] {
    let readme = read("README.md");
    let serve = readme.split("\n## ").find(|section| section.starts_with("Serve\n")).expect("a section");
    [("README.md", serve.to_owned()), ("deploy/README.md", read("deploy/README.md"))]
}

#[test]
fn the_flags_that_are_written_about_are_there() {
    let help =
        |command: &str| both(&Command::new(PROGRAM).args([command, "--help"]).output().expect("starts"));
    let there = format!("{}{}", help("serve"), help("mcp"));
    let known: BTreeSet<&str> = there.split(|c: char| !(c.is_alphanumeric() || c == '-')).collect();
    for (name, text) in documents() {
        let mut flags: BTreeSet<String> = quoted(&text)
            .filter_map(|words| words.split([' ', '=']).next())
            .filter(|word| word.starts_with("--"))
            .map(str::to_owned)
            .collect();
        // Podman's, not ours.
        flags.retain(|flag| !["--security-opt", "--privileged"].contains(&flag.as_str()));
        assert!(flags.len() >= 3, "{name}: {flags:?}");
        let missing: Vec<_> = flags.iter().filter(|flag| !known.contains(flag.as_str())).collect();
        assert!(missing.is_empty(), "{name} writes about {missing:?}");
    }
}

#[tokio::test]
async fn the_addresses_that_are_written_about_are_there() {
    let runs = tempfile::tempdir().expect("a directory");
    let server = Server::with_fake_repl(&["--runs", runs.path().to_str().expect("text")]);
    let [(_, readme), _] = documents();
    let table: String = readme.lines().filter(|line| line.starts_with("| `/")).collect();
    let mut addresses: BTreeSet<String> =
        quoted(&table).filter(|word| word.starts_with('/')).map(str::to_owned).collect();
    addresses.extend(["/".to_owned(), "/docs".to_owned()]);
    let manifest = read("deploy/kubernetes.yaml");
    let probes = manifest.split("httpGet: {path: ").skip(1).filter_map(|rest| rest.split(',').next());
    let probes: Vec<&str> = probes.collect();
    assert_eq!(probes, ["/healthz", "/healthz", "/readyz"]);
    assert!(read("deploy/Containerfile").contains("GET /healthz HTTP/1.0"));
    for probe in probes {
        assert_eq!(server.get(probe).await.status, 200, "{probe}");
    }
    assert!(addresses.len() > 10, "{addresses:?}");
    let mut missing = Vec::new();
    for address in addresses {
        // Another method is there, then.
        let answer = send(server.request(Method::GET, &address)).await;
        if answer.status == 404 {
            missing.push(address);
        }
    }
    assert!(missing.is_empty(), "README.md writes about {missing:?}");
}

#[test]
fn the_container_file_copies_every_member() {
    let file = read("deploy/Containerfile");
    let ignore = read("deploy/Containerfile.dockerignore");
    let manifest = read("Cargo.toml");
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = ")).expect("members");
    let mut folders: Vec<String> = serde_json::from_str(members).expect("a list");
    folders.extend(["src", "benches"].map(str::to_owned));
    for folder in folders {
        assert!(file.contains(&format!("COPY {folder} {folder}\n")), "{folder}");
        assert!(ignore.contains(&format!("!{folder}\n")), "{folder}");
    }
    assert!(!file.contains("--new-key") && !file.contains("pl-"), "no key is in an image");
}

#[test]
fn systemd_reads_the_unit() {
    let Ok(version) = Command::new("systemd-analyze").arg("--version").output() else {
        println!("skipped: there is no systemd-analyze");
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let unit = directory.path().join("proofloop.service");
    let text = read("deploy/proofloop.service").replace("/usr/local/bin/proofloop", PROGRAM);
    std::fs::write(&unit, text).expect("written");
    let ran = Command::new("systemd-analyze").arg("verify").arg(&unit).output().expect("starts");
    let (told, version) = (both(&ran), both(&version));
    // systemd 254 knows it; the unit says what an older one does.
    let complaints = told.lines().filter(|line| line.contains("proofloop.service"));
    let complaints: Vec<_> = complaints.filter(|line| !line.contains("DelegateSubgroup")).collect();
    assert!(ran.status.success() && complaints.is_empty(), "{version}{told}");
}

#[test]
fn kubernetes_knows_every_field_of_the_manifest() {
    let Some(packages) = packages("python-kubernetes", include_str!("kubernetes-requirements.txt")) else {
        return;
    };
    let code = "import sys; from kubernetes_validate.__main__ import main; sys.exit(main())";
    let mut command = Command::new("python3");
    command.args(["-c", code, "--strict"]).arg(path("deploy/kubernetes.yaml")).env("PYTHONPATH", packages);
    let ran = command.output().expect("python3");
    let told = both(&ran);
    assert!(ran.status.success(), "{told}");
    assert_eq!(told.matches("passed for resource").count(), 4, "{told}");
}

#[test]
fn what_these_tests_read_is_read_right() {
    assert_eq!(
        unit_command("A=b\nExecStart=x serve \\\n  --a 1 \\\n  --b\nC=d"),
        ["x", "serve", "--a", "1", "--b"]
    );
    assert_eq!(instruction("CMD [\"no\"]\nCMD [\"a\", \"b\"]", "CMD"), ["a", "b"]);
    assert_eq!(
        manifest_arguments("            args:\n    - --a=1\n    - --b\n  ports:\n   - x"),
        ["--a=1", "--b"]
    );
    assert_eq!(value_of(&["--a", "--b=2"], "--b"), "2");
    assert_eq!(quoted("x `a b` y `c`").collect::<Vec<_>>(), ["a b", "c"]);
}
