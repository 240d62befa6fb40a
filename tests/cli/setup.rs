//! What `setup` does with the package managers.

use super::on_a_bare_machine;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

/// Found with the 98 MB of the 3.15 guest: they went to the sandbox's own `/tmp`, which holds 64 MiB.
#[test]
fn a_package_manager_has_room_for_large_downloads() {
    // Not in the temporary directory of the host: the sandbox hides that.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let npm = directory.path().join("bare/npm");
    fs::create_dir_all(directory.path().join("bare")).expect("a directory");
    let script =
        "#!/bin/sh\n/usr/bin/head -c 100000000 /dev/zero >$TMPDIR/big && echo room enough >&2\nexit 7\n";
    fs::write(&npm, script).expect("a script");
    fs::set_permissions(&npm, Permissions::from_mode(0o755)).expect("an executable");
    let ran = on_a_bare_machine(directory.path(), &["setup"]);
    assert!(ran.err.contains("`npm` failed (Exited { code: 7 }): room enough"), "{}", ran.err);
    assert_eq!(ran.code, 3);
}
