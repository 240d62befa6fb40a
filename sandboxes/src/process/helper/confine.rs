//! What the program's own process takes on between fork and exec.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::report::LayerResult;
use crate::process::policy::{Network, Policy};

/// Open files of one process.
const OPEN_FILES: u64 = 1024;

/// How far above the watchdog's limit RLIMIT_DATA is set: near enough to bound what can be allocated
/// between two looks, far enough that the watchdog, not a failing allocation, ends a slow overrun.
const DATA_HEADROOM_FACTOR: u64 = 2;

fn lower(resource: Resource, soft: u64, hard: u64) -> Result<(), String> {
    let (_, ceiling) = getrlimit(resource).map_err(|e| format!("{resource:?}: {e}"))?;
    setrlimit(resource, soft.min(ceiling), hard.min(ceiling)).map_err(|e| format!("{resource:?}: {e}"))
}

pub(super) fn rlimits(policy: &Policy) -> LayerResult {
    lower(Resource::RLIMIT_CORE, 0, 0)?;
    lower(Resource::RLIMIT_FSIZE, policy.file_bytes, policy.file_bytes)?;
    lower(Resource::RLIMIT_NOFILE, OPEN_FILES, OPEN_FILES)?;
    lower(Resource::RLIMIT_MSGQUEUE, 0, 0)?;
    if let Some(cpu) = policy.cpu {
        // Per process, a backstop: the watch sums the tree.
        let seconds = cpu.as_secs().saturating_add(1);
        lower(Resource::RLIMIT_CPU, seconds, seconds.saturating_add(1))?;
    }
    Ok(format!("files of {} bytes, {OPEN_FILES} open, no core", policy.file_bytes))
}

/// Without a cgroup the watch is the limit and RLIMIT_DATA bounds what can happen between two looks.
pub(super) fn data_limit(policy: &Policy) -> Result<(), String> {
    let bytes = policy.memory_bytes.saturating_mul(DATA_HEADROOM_FACTOR);
    lower(Resource::RLIMIT_DATA, bytes, bytes)
}

/// Set also where a cgroup counts. It does not bind the host's user 0, whose processes are not counted.
pub(super) fn process_limit(policy: &Policy) -> Result<(), String> {
    let count = u64::from(policy.processes);
    lower(Resource::RLIMIT_NPROC, count, count)
}

pub(super) fn no_new_privs() -> LayerResult {
    nix::sys::prctl::set_no_new_privs().map(|()| "set".to_owned()).map_err(|e| format!("prctl: {e}"))
}

/// The Landlock version of the running kernel, or why there is none.
pub(super) fn landlock_abi() -> Result<i64, String> {
    const VERSION: libc::c_uint = 1;
    // SAFETY: with a null attribute, size 0 and this flag the call only returns a number.
    let abi =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, VERSION) };
    if abi > 0 { Ok(abi) } else { Err(format!("no Landlock: {}", std::io::Error::last_os_error())) }
}

/// What the file rules depend on beside the policy.
pub(super) struct View {
    pub(super) has_own_root: bool,
    pub(super) has_own_proc: bool,
    pub(super) also_readable: Vec<PathBuf>,
}

pub(super) fn landlock(policy: &Policy, view: &View, abi: i64) -> LayerResult {
    let known = ABI::from(i32::try_from(abi).unwrap_or(i32::MAX));
    restrict(policy, view, known).map_err(|e| format!("landlock: {e}"))
}

fn restrict(policy: &Policy, view: &View, abi: ABI) -> Result<String, landlock::RulesetError> {
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
    ruleset = ruleset.handle_access(AccessFs::from_all(abi))?;
    match policy.network {
        Network::Denied => {
            ruleset = ruleset.handle_access(AccessNet::from_all(abi))?.scope(Scope::from_all(abi))?;
        }
        Network::Loopback => ruleset = ruleset.scope(Scope::from_all(abi))?,
        Network::Host => ruleset = ruleset.scope(Scope::Signal)?,
    }
    let mut created = ruleset.create()?;
    let read = AccessFs::from_read(abi);
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
    for path in policy.read_only.iter().chain(&view.also_readable) {
        created = allow(created, path, read, abi)?;
    }
    for name in ["null", "zero", "full", "random", "urandom"] {
        created = allow(created, &Path::new("/dev").join(name), device, abi)?;
    }
    if view.has_own_proc {
        created = allow(created, Path::new("/proc"), AccessFs::ReadFile | AccessFs::ReadDir, abi)?;
    }
    if view.has_own_root {
        created = allow(created, Path::new("/tmp"), AccessFs::from_all(abi), abi)?;
        created = allow(created, Path::new("/dev"), AccessFs::ReadDir.into(), abi)?;
    }
    for path in &policy.writable {
        created = allow(created, path, AccessFs::from_all(abi), abi)?;
    }
    let status = created.restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => "fully enforced".to_owned(),
        RulesetStatus::PartiallyEnforced | RulesetStatus::NotEnforced => format!("{:?}", status.ruleset),
    })
}

/// A path that does not exist grants nothing.
fn allow(
    created: RulesetCreated,
    path: &Path,
    access: landlock::BitFlags<AccessFs>,
    abi: ABI,
) -> Result<RulesetCreated, landlock::RulesetError> {
    let Ok(fd) = PathFd::new(path) else { return Ok(created) };
    // Directory rights on a file are an error for the kernel.
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(abi) };
    created.add_rule(PathBeneath::new(fd, access))
}

/// Empties the bounding, ambient, inheritable, permitted and effective sets.
pub(super) fn drop_capabilities() -> LayerResult {
    const LAST_POSSIBLE: libc::c_ulong = 63;
    let mut is_bounding_empty = true;
    for capability in 0..=LAST_POSSIBLE {
        // SAFETY: these prctl calls take integers and touch no memory.
        let present = unsafe { libc::prctl(libc::PR_CAPBSET_READ, capability, 0, 0, 0) };
        if present < 0 {
            break; // past the kernel's last capability
        }
        // SAFETY: as above.
        let dropped = present == 0 || unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) } == 0;
        is_bounding_empty &= dropped;
    }
    // SAFETY: as above. Not available without any capability, and then nothing is ambient.
    unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) };
    clear_capability_sets()?;
    if is_bounding_empty {
        return Ok("none, and none to be gained".to_owned());
    }
    // A process that never had any: exec gives none to a user other than 0, nor with no_new_privs set.
    if nix::unistd::geteuid().is_root() {
        return Err("the bounding set could not be emptied".to_owned());
    }
    Ok("none".to_owned())
}

fn clear_capability_sets() -> Result<(), String> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: libc::c_int,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let header = Header { version: VERSION_3, pid: 0 };
    let data = [0_u32; 6]; // effective, permitted, inheritable; twice 32 bits
    // SAFETY: header and data have the layout that capset(2) gives for version 3 and live through the call.
    let rc = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
    if rc == 0 { Ok(()) } else { Err(format!("capset: {}", std::io::Error::last_os_error())) }
}
