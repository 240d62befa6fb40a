//! Session, parent-death signal and namespaces.

use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

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
        Network::Loopback | Network::Host => {}
    }
    for (layer, flag) in others {
        let result = unshare(flag).map(|()| "own".to_owned()).map_err(|e| format!("unshare: {e}"));
        r.layer(layer, layer.name(), result)?;
    }
    match policy.network {
        Network::Loopback => r.layer(Layer::NetNamespace, "net-namespace-loopback", loopback()),
        Network::Denied | Network::Host => Ok(()),
    }
}

/// An own network with its loopback device up.
fn loopback() -> LayerResult {
    unshare(CloneFlags::CLONE_NEWNET).map_err(|e| format!("unshare: {e}"))?;
    // SAFETY: creates a descriptor or fails.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(format!("socket: {}", std::io::Error::last_os_error()));
    }
    // SAFETY: the descriptor was just made, and nobody else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: integers and a union of integers, for which all zeros is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    let flags = libc::IFF_UP | libc::IFF_RUNNING | libc::IFF_LOOPBACK;
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(flags).unwrap_or(libc::c_short::MAX);
    // SAFETY: the request lives through the call and has the layout that SIOCSIFFLAGS reads.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) } < 0 {
        return Err(format!("the loopback device can't be brought up: {}", std::io::Error::last_os_error()));
    }
    Ok("own, with its loopback device up".to_owned())
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
