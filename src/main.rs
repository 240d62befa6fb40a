//! The `proofloop` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    // A sandboxed child is a re-exec of this program: it must get no further than this line.
    proofloop_sandboxes::process::enter_if_child();
    proofloop::cli::main()
}
