//! Session, parent-death signal and namespaces.

use std::fs;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getgid, getuid, setsid};

use super::report::{LayerResult, Refused, Reporter};
use crate::process::policy::{Layer, Network, Policy};

pub(super) fn own_session() -> LayerResult {
    setsid().map(|_| "own session".to_owned()).map_err(|e| format!("setsid: {e}"))
}

pub(super) fn parent_death_signal() -> LayerResult {
    // SAFETY: PR_SET_PDEATHSIG takes one integer and touches no memory.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) } == 0 {
        Ok("SIGKILL".to_owned())
    } else {
        Err(format!("prctl: {}", std::io::Error::last_os_error()))
    }
}

/// Enters the namespaces one by one, so that each may fail alone. The pid namespace holds the next child.
pub(super) fn enter(r: &Reporter, policy: &Policy) -> Result<(), Refused> {
    r.layer(Layer::UserNamespace, "user-namespace", user())?;
    let mut others = vec![
        (Layer::PidNamespace, CloneFlags::CLONE_NEWPID),
        (Layer::IpcNamespace, CloneFlags::CLONE_NEWIPC),
        (Layer::UtsNamespace, CloneFlags::CLONE_NEWUTS),
    ];
    match policy.network {
        Network::Denied => others.push((Layer::NetNamespace, CloneFlags::CLONE_NEWNET)),
        Network::Host => {}
    }
    for (layer, flag) in others {
        let result = unshare(flag).map(|()| "own".to_owned()).map_err(|e| format!("unshare: {e}"));
        r.layer(layer, layer.name(), result)?;
    }
    Ok(())
}

/// The same user and group inside as outside, and nobody else.
fn user() -> LayerResult {
    let (uid, gid) = (getuid(), getgid());
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|e| format!("unshare: {e}"))?;
    let write =
        |path: &str, text: String| fs::write(path, text).map_err(|e| format!("cannot write {path}: {e}"));
    write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    write("/proc/self/setgroups", "deny".to_owned())?;
    write("/proc/self/gid_map", format!("{gid} {gid} 1"))?;
    Ok(format!("user {uid} and group {gid} only"))
}
