//! The edges between the crates and the bounds on the files, as ARCHITECTURE.md and `../shared/design.md` draw them.
//! Every failure names the offender.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Member → the members that it may depend on. The root may depend on all of them, nobody on the root.
const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("proofloop", &["proofloop-sandboxes", "proofloop-verifiers", "proofloop-datasets"]),
    ("proofloop-sandboxes", &[]),
    ("proofloop-datasets", &[]),
    ("proofloop-verifiers", &["proofloop-sandboxes"]),
];

/// Crate, by the first part of its name → the one member that may depend on it.
const KEPT_IN: &[(&str, &str)] = &[
    ("clap", "proofloop"),
    ("parquet", "proofloop"),
    ("axum", "proofloop"),
    ("candle", "proofloop"),
    ("hyper", "proofloop"),
    ("indicatif", "proofloop"),
    ("reqwest", "proofloop"),
    ("rustls", "proofloop"),
    ("wasmtime", "proofloop-sandboxes"),
    ("nix", "proofloop-sandboxes"),
    ("landlock", "proofloop-sandboxes"),
    ("seccompiler", "proofloop-sandboxes"),
];

/// Text in code → the folders that it may occur in, and what it would mean elsewhere.
const ONLY_IN: &[(&str, &[&str], &str)] = &[
    ("Command::new", &["sandboxes/"], "starts a process"),
    ("wasmtime::", &["sandboxes/"], "drives wasm"),
    ("axum::", &["src/serve/"], "serves HTTP"),
    ("reqwest::", &["src/generate/openai/", "src/fetch/"], "speaks HTTP"),
];

const MAX_LINES: usize = 600;

struct Member {
    manifest: PathBuf,
    dependencies: BTreeSet<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The members with their direct dependencies of every kind, from cargo itself.
#[expect(clippy::disallowed_methods, reason = "a test asks cargo; nothing untrusted runs")]
fn members() -> BTreeMap<String, Member> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = std::process::Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let text = |value: &serde_json::Value| value.as_str().expect("a string").to_owned();
    let packages = metadata["packages"].as_array().expect("a list of packages");
    let member = |package: &serde_json::Value| {
        let dependencies = package["dependencies"].as_array().expect("a list of dependencies");
        let dependencies = dependencies.iter().map(|dependency| text(&dependency["name"])).collect();
        (text(&package["name"]), Member { manifest: text(&package["manifest_path"]).into(), dependencies })
    };
    packages.iter().map(member).collect()
}

/// Every Rust file below `folder`, hidden folders, build output and installed packages left out.
fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            let foreign = name.starts_with('.')
                || ["target", "target-cuda", "node_modules", "runs"].contains(&name.as_str());
            if !foreign {
                rust_files(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The files that are not tests: path from the root, text.
fn product_files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    rust_files(root(), &mut files);
    let relative = |path: &PathBuf| path.strip_prefix(root()).expect("below the root").display().to_string();
    let is_test = |path: &str| path.split('/').any(|part| part == "tests" || part.ends_with("tests.rs"));
    let texts = files.iter().map(|path| (relative(path), fs::read_to_string(path).expect("readable UTF-8")));
    texts.filter(|(path, _)| !is_test(path)).collect()
}

/// The lines of code with their numbers: no comments, and nothing from the file's own tests on.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines
        .windows(2)
        .position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{'));
    let end = tests.unwrap_or(lines.len());
    (1..).zip(lines).take(end).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn crates_depend_only_downwards() {
    let members = members();
    let known: BTreeSet<&str> = MAY_DEPEND_ON.iter().map(|(name, _)| *name).collect();
    let found: BTreeSet<&str> = members.keys().map(String::as_str).collect();
    assert_eq!(found, known, "the workspace's members and the table MAY_DEPEND_ON differ");
    for (name, allowed) in MAY_DEPEND_ON {
        for dependency in members[*name].dependencies.iter().filter(|name| known.contains(name.as_str())) {
            assert!(allowed.contains(&dependency.as_str()), "{name} must not depend on {dependency}");
        }
    }
}

#[test]
fn heavy_crates_stay_where_they_belong() {
    for (name, member) in members() {
        for dependency in &member.dependencies {
            let family = dependency.split('-').next().unwrap_or(dependency);
            let home = KEPT_IN.iter().find(|(kept, _)| *kept == family).map(|(_, home)| *home);
            assert!(
                home.is_none_or(|home| home == name),
                "{name} must not depend on {dependency}: {home:?} does"
            );
        }
    }
}

#[test]
fn every_member_takes_the_workspace_lints() {
    for (name, member) in members() {
        let text = fs::read_to_string(&member.manifest).expect("a readable manifest");
        let mut lines = text.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
        let inherits =
            lines.find(|line| !line.is_empty() && !line.starts_with('#')) == Some("workspace = true");
        assert!(inherits, "{name}: {} lacks `[lints] workspace = true`", member.manifest.display());
    }
}

#[test]
fn files_are_short() {
    let mut lengths: Vec<(usize, String)> =
        product_files().into_iter().map(|(path, text)| (text.lines().count(), path)).collect();
    lengths.sort_unstable_by(|a, b| b.cmp(a));
    assert!(lengths.len() > 40, "only {} files were found", lengths.len());
    println!("the longest of {} files, in lines:", lengths.len());
    lengths.iter().take(10).for_each(|(lines, path)| println!("{lines:5} {path}"));
    let long: Vec<_> = lengths.iter().filter(|(lines, _)| *lines > MAX_LINES).collect();
    assert!(long.is_empty(), "over {MAX_LINES} lines: {long:?}");
}

#[test]
fn what_only_one_folder_may_do_no_other_does() {
    let mut offenders = Vec::new();
    for (path, text) in product_files() {
        for (number, line) in code_lines(&text) {
            for (words, homes, what) in ONLY_IN {
                if line.contains(words) && !homes.iter().any(|home| path.starts_with(home)) {
                    offenders.push(format!("{path}:{number}: `{words}` {what}, which only {homes:?} may"));
                }
            }
        }
    }
    assert!(offenders.is_empty(), "{}", offenders.join("\n"));
}

#[test]
fn tests_and_comments_are_no_code() {
    let text = "a\n// Command::new\n    /// wasmtime::\nb\n#[cfg(test)]\nmod tests {\n    Command::new(x)\n}";
    assert_eq!(code_lines(text).collect::<Vec<_>>(), [(1, "a"), (4, "b")]);
}
