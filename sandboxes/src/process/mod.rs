//! Running a program under limits that it cannot lift, and saying exactly how it ended.
//!
//! [`Launcher`] starts the host program's own binary again as a *helper* ([`enter_if_child`]), which applies
//! the layers of a [`Policy`] one by one and reports each over a socket that the program never holds. A
//! layer that the policy demands and the host lacks is a [`StartError`]; one that is only wished for is an
//! entry in [`Protection`]. [`Outcome`] comes from what the kernel told the helper, never from output.
//!
//! Three processes stand between us and the program's children, each dying with the one before it:
//! the launcher's spawner thread → the outer helper → the first process of the new pid namespace → the program.

mod cgroup;
mod driver;
mod helper;
mod launcher;
mod outcome;
mod own;
mod policy;
mod protocol;
mod session;
mod spawner;

pub use helper::enter_if_child;
pub use launcher::Launcher;
pub use outcome::{Captured, Finished, Outcome, StartError, Usage};
pub use own::{own_cpu, own_thread_cpu};
pub use policy::{
    Layer, LayerState, Network, OUTPUT_HARD_STOP_FACTOR, PRIVATE_TMP_BYTES, Policy, Program, Protection,
};
pub use session::{Session, SessionError};
