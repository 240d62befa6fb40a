//! The `proofloop` command.

use std::process::ExitCode;

/// candle allocates and frees every tensor, which glibc turns into a system call each (see Cargo.toml).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A sandboxed child is a re-exec of this program: it must get no further than this line.
    proofloop_sandboxes::process::enter_if_child();
    // SAFETY: nothing has started a thread yet: `enter_if_child` returns before it does anything where this is no child.
    unsafe { proofloop::cli::one_thread_for_each_replica() };
    proofloop::cli::main()
}
