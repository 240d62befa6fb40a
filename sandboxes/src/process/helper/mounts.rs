//! A root directory that holds nothing but the paths of the policy, at their usual places.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{chdir, pivot_root};

use super::report::LayerResult;
use crate::process::policy::{PRIVATE_TMP_BYTES, Policy};

/// Most symbolic links that are followed on the way to one path, as in the kernel.
const SYMLINKS_MAX: usize = 40;

const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

type Step<T> = Result<T, String>;

/// Where the old and the new root are while the new one is built.
const OLD: &str = "/old";
const NEW: &str = "/new";

/// Enters a mount namespace and builds the new root.
///
/// `Ok(Err(_))` means that the namespace itself is not to be had and nothing has changed, `Err(_)` that
/// the view is half built: then nothing may run in it.
pub(super) fn new_root(
    policy: &Policy,
    also_readable: &[PathBuf],
    has_pid_namespace: bool,
) -> Step<LayerResult> {
    if let Err(e) = unshare(CloneFlags::CLONE_NEWNS) {
        return Ok(Err(format!("unshare: {e}")));
    }
    if let Err(e) = mount(None::<&str>, "/", None::<&str>, MsFlags::MS_SLAVE | MsFlags::MS_REC, None::<&str>)
    {
        return Ok(Err(format!("cannot make mounts private: {e}")));
    }
    if let Err(detail) = stage() {
        return Ok(Err(detail));
    }
    private_tmp()?;
    let devices = devices();
    let proc = if has_pid_namespace { mount_proc() } else { Err("no pid namespace".to_owned()) };
    for (real, writable) in in_order(policy, also_readable)? {
        bind_onto(&inside(OLD, &real), &inside(NEW, &real), writable)?;
    }
    devices?;
    leave_old_root()?;
    let proc = proc.map_or_else(|reason| format!("no /proc ({reason})"), |()| "own /proc".to_owned());
    Ok(Ok(format!("own root, private /tmp, {proc}")))
}

/// A small tmpfs becomes `/`, with the old root in `/old` and a place for the new one in `/new`.
fn stage() -> Step<()> {
    let base = ["/tmp", "/run", "/var", "/mnt"]
        .into_iter()
        .find(|base| Path::new(base).is_dir())
        .ok_or("no directory to mount on")?;
    tmpfs(Path::new(base), "size=1m,mode=0755")?;
    let at = |name: &str| format!("{base}{name}");
    for name in [OLD, NEW] {
        fs::create_dir(at(name)).map_err(|e| format!("cannot make {name}: {e}"))?;
    }
    pivot_root(base, at(OLD).as_str()).map_err(|e| format!("pivot_root: {e}"))?;
    chdir("/").map_err(|e| format!("chdir: {e}"))?;
    tmpfs(Path::new(NEW), "size=1m,mode=0755")
}

fn tmpfs(at: &Path, options: &str) -> Step<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), at, Some("tmpfs"), flags, Some(options))
        .map_err(|e| format!("tmpfs on {}: {e}", at.display()))
}

fn private_tmp() -> Step<()> {
    let at = inside(NEW, Path::new("/tmp"));
    make_directory(&at)?;
    tmpfs(&at, &format!("size={PRIVATE_TMP_BYTES},mode=1777"))
}

fn devices() -> Step<()> {
    make_directory(&inside(NEW, Path::new("/dev")))?;
    for name in DEVICES {
        let path = Path::new("/dev").join(name);
        bind_onto(&inside(OLD, &path), &inside(NEW, &path), false)?;
    }
    for (name, target) in [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")]
    {
        let link = inside(NEW, &Path::new("/dev").join(name));
        std::os::unix::fs::symlink(target, &link)
            .map_err(|e| format!("cannot link {}: {e}", link.display()))?;
    }
    Ok(())
}

/// Read-only, because a process of the host's user 0 may otherwise write the files in /proc/sys even
/// without any capability.
fn mount_proc() -> Step<()> {
    let at = inside(NEW, Path::new("/proc"));
    make_directory(&at)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), &at, Some("proc"), flags, None::<&str>).map_err(|e| format!("proc: {e}"))?;
    if let Err(reason) = set_attributes(&at, libc::MOUNT_ATTR_RDONLY, false) {
        umount2(&at, MntFlags::MNT_DETACH).ok();
        return Err(reason);
    }
    Ok(())
}

/// The real paths to bind and whether they can be written; shallow ones first, so that a path inside
/// another one is laid over it.
fn in_order(policy: &Policy, also_readable: &[PathBuf]) -> Step<Vec<(PathBuf, bool)>> {
    let mut all = Vec::new();
    for path in policy.read_only.iter().chain(also_readable) {
        all.extend(resolve(path)?.map(|real| (real, false)));
    }
    for path in &policy.writable {
        let real = resolve(path)?.ok_or_else(|| format!("{} does not exist", path.display()))?;
        all.push((real, true));
    }
    if all.iter().any(|(real, _)| real == Path::new("/")) {
        return Err("the root directory itself cannot be given".to_owned());
    }
    all.sort_by_key(|(path, writable)| (path.components().count(), path.clone(), *writable));
    all.dedup();
    Ok(all)
}

/// The path without symbolic links, as seen from the old root; the links are made in the new root too.
/// `None` if it does not exist.
fn resolve(path: &Path) -> Step<Option<PathBuf>> {
    let mut real = PathBuf::from("/");
    let mut todo: Vec<PathBuf> = components(path);
    let mut links = 0;
    while let Some(next) = todo.pop() {
        if next == Path::new("..") {
            real.pop();
            continue;
        }
        let here = real.join(next);
        let Ok(meta) = fs::symlink_metadata(inside(OLD, &here)) else { return Ok(None) };
        if !meta.is_symlink() {
            real = here;
            continue;
        }
        links += 1;
        if links > SYMLINKS_MAX {
            return Err(format!("too many symbolic links in {}", path.display()));
        }
        let target =
            fs::read_link(inside(OLD, &here)).map_err(|e| format!("cannot read {}: {e}", here.display()))?;
        repeat_link(&here, &target)?;
        if target.is_absolute() {
            real = PathBuf::from("/");
        }
        todo.extend(components(&target));
    }
    Ok(Some(real))
}

/// Named components, the last one first (to be popped off).
fn components(path: &Path) -> Vec<PathBuf> {
    let named = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(PathBuf::from(name)),
        Component::ParentDir => Some(PathBuf::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    let mut all: Vec<_> = named.collect();
    all.reverse();
    all
}

fn repeat_link(at: &Path, target: &Path) -> Step<()> {
    let link = inside(NEW, at);
    if fs::symlink_metadata(&link).is_ok() {
        return Ok(()); // made before, or it came with a directory that is already bound
    }
    if let Some(parent) = link.parent() {
        make_directory(parent)?;
    }
    std::os::unix::fs::symlink(target, &link).map_err(|e| format!("cannot link {}: {e}", at.display()))
}

fn bind_onto(source: &Path, target: &Path, writable: bool) -> Step<()> {
    let meta = fs::metadata(source).map_err(|e| format!("cannot see {}: {e}", source.display()))?;
    if meta.is_dir() {
        make_directory(target)?;
    } else if fs::symlink_metadata(target).is_err() {
        if let Some(parent) = target.parent() {
            make_directory(parent)?;
        }
        fs::File::create(target).map_err(|e| format!("cannot make {}: {e}", target.display()))?;
    }
    mount(Some(source), target, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
        .map_err(|e| format!("cannot bind {}: {e}", source.display()))?;
    let is_device = target.starts_with(inside(NEW, Path::new("/dev"))) && !meta.is_dir();
    let mut attributes = libc::MOUNT_ATTR_NOSUID;
    if !is_device {
        attributes |= libc::MOUNT_ATTR_NODEV;
    }
    if !writable && !is_device {
        attributes |= libc::MOUNT_ATTR_RDONLY;
    }
    set_attributes(target, attributes, true)
}

fn make_directory(at: &Path) -> Step<()> {
    fs::create_dir_all(at).map_err(|e| format!("cannot make {}: {e}", at.display()))
}

/// Also on the mounts below, unlike a remount.
fn set_attributes(at: &Path, attributes: u64, recursive: bool) -> Step<()> {
    let path = CString::new(at.as_os_str().as_bytes()).map_err(|e| e.to_string())?;
    let attr = libc::mount_attr { attr_set: attributes, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let flags = if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: `path` is NUL-terminated and `attr` is a live mount_attr of the size that is passed.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            &raw const attr,
            size_of::<libc::mount_attr>(),
        )
    };
    if rc == 0 {
        Ok(())
    } else {
        Err(format!("mount_setattr {}: {}", at.display(), std::io::Error::last_os_error()))
    }
}

fn leave_old_root() -> Step<()> {
    umount2(OLD, MntFlags::MNT_DETACH).map_err(|e| format!("cannot leave the old root: {e}"))?;
    set_attributes(Path::new(NEW), libc::MOUNT_ATTR_RDONLY, false)?;
    chdir(NEW).map_err(|e| format!("chdir: {e}"))?;
    pivot_root(".", ".").map_err(|e| format!("second pivot_root: {e}"))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(|e| format!("cannot leave the staging root: {e}"))?;
    chdir("/").map_err(|e| format!("chdir: {e}"))
}

/// `path`, which is absolute, below `root`.
fn inside(root: &str, path: &Path) -> PathBuf {
    Path::new(root).join(path.strip_prefix("/").unwrap_or(path))
}
