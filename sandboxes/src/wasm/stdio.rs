//! The WASI calls on descriptors: standard streams, the message channel, and the read-only files.

use super::files::ROOT_FD;
use super::host::{Inbox, State, Stop, WASI, errno, lock, range, read_u32, split, write};
use super::{MAX_MESSAGE_BYTES, MESSAGE_IN_FD, MESSAGE_OUT_FD};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use wasmtime::{Caller, Error, Linker, Result};

use super::host::Shared;

/// Not a character device: a guest would take that for a terminal, with prompts and line buffering.
const STREAM: u8 = 0;
const DIRECTORY: u8 = 3;
const REGULAR_FILE: u8 = 4;
/// A host call never copies more than this at once; the guest asks again.
const MAX_CHUNK_BYTES: u32 = 1 << 20;
const MAX_VECTORS: u32 = 64;
const MAX_PATH_BYTES: u32 = 4096;

/// Defines the calls of this file.
pub(crate) fn define(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(WASI, "fd_write", fd_write)?;
    linker.func_wrap_async(
        WASI,
        "fd_read",
        |mut caller: Caller<'_, State>, (fd, vectors, count, read_at): (u32, u32, u32, u32)| {
            Box::new(async move {
                if fd == MESSAGE_IN_FD {
                    wait_for_message(Arc::clone(&caller.data().shared)).await;
                }
                fd_read(&mut caller, fd, (vectors, count), read_at)
            })
        },
    )?;
    linker.func_wrap(
        WASI,
        "fd_pread",
        |mut caller: Caller<'_, State>, fd: u32, vectors: u32, count: u32, at: u64, read_at: u32| {
            let (memory, state) = split(&mut caller)?;
            scatter(memory, (vectors, count), read_at, |len| state.files.read(fd, len, Some(at)))
        },
    )?;
    linker.func_wrap(WASI, "fd_close", |mut caller: Caller<'_, State>, fd: u32| {
        if fd <= 2 || caller.data_mut().files.close(fd) { errno::SUCCESS } else { errno::BADF }
    })?;
    linker.func_wrap(
        WASI,
        "fd_seek",
        |mut caller: Caller<'_, State>, fd: u32, offset: i64, whence: u32, at: u32| {
            seek(&mut caller, fd, offset, whence, at)
        },
    )?;
    linker.func_wrap(WASI, "fd_tell", |mut caller: Caller<'_, State>, fd: u32, at: u32| {
        seek(&mut caller, fd, 0, 1, at)
    })?;
    linker.func_wrap(
        WASI,
        "fd_fdstat_set_flags",
        |fd: u32, _flags: u32| {
            if fd <= 2 { errno::SUCCESS } else { errno::BADF }
        },
    )?;
    linker.func_wrap(WASI, "fd_fdstat_get", fd_fdstat_get)?;
    linker.func_wrap(WASI, "fd_filestat_get", fd_filestat_get)?;
    define_paths(linker)
}

fn define_paths(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(WASI, "fd_prestat_get", |mut caller: Caller<'_, State>, fd: u32, at: u32| {
        let (memory, state) = split(&mut caller)?;
        if fd != ROOT_FD || !state.files.has_root() {
            return Ok(errno::BADF);
        }
        write(memory, at, &[0, 0, 0, 0, 1, 0, 0, 0])?;
        Ok(errno::SUCCESS)
    })?;
    linker.func_wrap(
        WASI,
        "fd_prestat_dir_name",
        |mut caller: Caller<'_, State>, fd: u32, at: u32, len: u32| {
            let (memory, state) = split(&mut caller)?;
            if fd != ROOT_FD || !state.files.has_root() || len == 0 {
                return Ok(errno::BADF);
            }
            write(memory, at, b"/")?;
            Ok(errno::SUCCESS)
        },
    )?;
    linker.func_wrap(
        WASI,
        "fd_readdir",
        |mut caller: Caller<'_, State>, fd: u32, _buffer: u32, _len: u32, _cookie: u64, used_at: u32| {
            let (memory, state) = split(&mut caller)?;
            if fd != ROOT_FD || !state.files.has_root() {
                return Ok(errno::BADF);
            }
            write(memory, used_at, &0u32.to_le_bytes())?;
            Ok(errno::SUCCESS)
        },
    )?;
    linker.func_wrap(
        WASI,
        "path_filestat_get",
        |mut caller: Caller<'_, State>, fd: u32, _flags: u32, path: u32, path_len: u32, at: u32| {
            let (memory, state) = split(&mut caller)?;
            let text = match path_of(memory, state, fd, path, path_len)? {
                Ok(text) => text,
                Err(code) => return Ok(code),
            };
            let (kind, size_bytes) = match state.files.find(&text) {
                Some(index) => (REGULAR_FILE, state.files.len_bytes(index)),
                None if is_root(&text) => (DIRECTORY, 0),
                None => return Ok(errno::NOENT),
            };
            write(memory, at, &filestat(kind, size_bytes))?;
            Ok(errno::SUCCESS)
        },
    )?;
    linker.func_wrap(WASI, "path_open", path_open)?;
    Ok(())
}

/// Ready once the driver has put a message into the inbox (or the guest has not finished the last one).
async fn wait_for_message(shared: Arc<Mutex<Shared>>) {
    std::future::poll_fn(|_| if lock(&shared).inbox.is_some() { Poll::Ready(()) } else { Poll::Pending })
        .await;
}

fn is_root(path: &str) -> bool {
    matches!(path, "" | "." | "/" | "./")
}

/// The path that the guest names, or the WASI error to answer with.
fn path_of(
    memory: &mut [u8],
    state: &State,
    fd: u32,
    path: u32,
    path_len: u32,
) -> Result<Result<String, u32>> {
    if fd != ROOT_FD || !state.files.has_root() {
        return Ok(Err(errno::BADF));
    }
    let bytes = range(memory, path, path_len.min(MAX_PATH_BYTES))?;
    Ok(std::str::from_utf8(bytes).map(str::to_owned).or(Err(errno::INVAL)))
}

#[expect(clippy::too_many_arguments, reason = "the signature is WASI's")]
fn path_open(
    mut caller: Caller<'_, State>,
    fd: u32,
    _directory_flags: u32,
    path: u32,
    path_len: u32,
    open_flags: u32,
    _rights: u64,
    _inheriting: u64,
    _fd_flags: u32,
    at: u32,
) -> Result<u32> {
    let (memory, state) = split(&mut caller)?;
    let text = match path_of(memory, state, fd, path, path_len)? {
        Ok(text) => text,
        Err(code) => return Ok(code),
    };
    // Creating and truncating are refused; whatever is not one of our files is not there.
    if open_flags & 0b1001 != 0 {
        return Ok(errno::NOTCAPABLE);
    }
    let Some(index) = state.files.find(&text) else {
        return Ok(if is_root(&text) { errno::ISDIR } else { errno::NOENT });
    };
    let Some(opened) = state.files.open(index) else { return Ok(errno::MFILE) };
    write(memory, at, &opened.to_le_bytes())?;
    Ok(errno::SUCCESS)
}

fn seek(caller: &mut Caller<'_, State>, fd: u32, offset: i64, whence: u32, at: u32) -> Result<u32> {
    let (memory, state) = split(caller)?;
    if fd <= 2 {
        return Ok(errno::SPIPE);
    }
    let Some(position_bytes) = state.files.seek(fd, offset, whence) else { return Ok(errno::BADF) };
    write(memory, at, &position_bytes.to_le_bytes())?;
    Ok(errno::SUCCESS)
}

fn fd_fdstat_get(mut caller: Caller<'_, State>, fd: u32, at: u32) -> Result<u32> {
    let (memory, state) = split(&mut caller)?;
    let kind = match fd {
        0..=2 => STREAM,
        ROOT_FD if state.files.has_root() => DIRECTORY,
        _ if state.files.size_of(fd).is_some() => REGULAR_FILE,
        _ => return Ok(errno::BADF),
    };
    let mut stat = [0u8; 24];
    stat[0] = kind;
    // A stream has every right but those to seek and to tell.
    let rights: u64 = if kind == STREAM { !0b10_0100 } else { !0 };
    stat[8..16].copy_from_slice(&rights.to_le_bytes());
    stat[16..24].copy_from_slice(&rights.to_le_bytes());
    write(memory, at, &stat)?;
    Ok(errno::SUCCESS)
}

fn filestat(kind: u8, size_bytes: u64) -> [u8; 64] {
    let mut stat = [0u8; 64];
    stat[16] = kind;
    stat[24] = 1;
    stat[32..40].copy_from_slice(&size_bytes.to_le_bytes());
    stat
}

fn fd_filestat_get(mut caller: Caller<'_, State>, fd: u32, at: u32) -> Result<u32> {
    let (memory, state) = split(&mut caller)?;
    let stat = match fd {
        0..=2 => filestat(STREAM, 0),
        ROOT_FD if state.files.has_root() => filestat(DIRECTORY, 0),
        _ => match state.files.size_of(fd) {
            Some(size_bytes) => filestat(REGULAR_FILE, size_bytes),
            None => return Ok(errno::BADF),
        },
    };
    write(memory, at, &stat)?;
    Ok(errno::SUCCESS)
}

/// Fills the guest's vectors from `source`, which is asked once for as much as they hold together.
fn scatter(
    memory: &mut [u8],
    (vectors, count): (u32, u32),
    read_at: u32,
    source: impl FnOnce(usize) -> Option<Vec<u8>>,
) -> Result<u32> {
    if count > MAX_VECTORS {
        return Ok(errno::INVAL);
    }
    let mut places = Vec::with_capacity(count as usize);
    let mut room = 0u32;
    for index in 0..count {
        let entry = vectors.saturating_add(index * 8);
        let (at, len) = (read_u32(memory, entry)?, read_u32(memory, entry.saturating_add(4))?);
        let len = len.min(MAX_CHUNK_BYTES - room);
        places.push((at, len as usize));
        room += len;
    }
    let Some(bytes) = source(room as usize) else { return Ok(errno::BADF) };
    let mut rest = bytes.as_slice();
    for (at, len) in places {
        let (chunk, after) = rest.split_at(len.min(rest.len()));
        write(memory, at, chunk)?;
        rest = after;
    }
    write(memory, read_at, &u32::try_from(bytes.len())?.to_le_bytes())?;
    Ok(errno::SUCCESS)
}

fn fd_read(caller: &mut Caller<'_, State>, fd: u32, vectors: (u32, u32), read_at: u32) -> Result<u32> {
    let (memory, state) = split(caller)?;
    scatter(memory, vectors, read_at, |len| match fd {
        0 => {
            let rest = &state.stdin[state.stdin_read_bytes..];
            let chunk = rest[..len.min(rest.len())].to_vec();
            state.stdin_read_bytes += chunk.len();
            Some(chunk)
        }
        MESSAGE_IN_FD => Some(take_message(&mut lock(&state.shared), len)),
        _ => state.files.read(fd, len, None),
    })
}

/// The next piece of the message; a piece shorter than asked for (possibly empty) is the last one.
fn take_message(shared: &mut Shared, len_bytes: usize) -> Vec<u8> {
    let Some(Inbox { message, read_bytes }) = &mut shared.inbox else { return Vec::new() };
    let rest = &message[*read_bytes..];
    let chunk = rest[..len_bytes.min(rest.len())].to_vec();
    *read_bytes += chunk.len();
    if chunk.len() < len_bytes {
        shared.inbox = None;
    }
    chunk
}

fn fd_write(
    mut caller: Caller<'_, State>,
    fd: u32,
    vectors: u32,
    count: u32,
    written_at: u32,
) -> Result<u32> {
    if !matches!(fd, 1 | 2 | MESSAGE_OUT_FD) {
        return Ok(if fd == ROOT_FD { errno::ISDIR } else { errno::BADF });
    }
    if count > MAX_VECTORS {
        return Ok(errno::INVAL);
    }
    let (memory, state) = split(&mut caller)?;
    let mut written = 0u32;
    let mut message = Vec::new();
    for index in 0..count {
        let entry = vectors.saturating_add(index * 8);
        let (at, len) = (read_u32(memory, entry)?, read_u32(memory, entry.saturating_add(4))?);
        let bytes = &*range(memory, at, len)?;
        written = written.saturating_add(len);
        if fd == MESSAGE_OUT_FD {
            if message.len() + bytes.len() > MAX_MESSAGE_BYTES {
                return Err(Error::new(Stop::MessageLimit));
            }
            message.extend_from_slice(bytes);
            continue;
        }
        state.written_bytes = state.written_bytes.saturating_add(u64::from(len));
        let mut shared = lock(&state.shared);
        let capture = if fd == 1 { &mut shared.stdout } else { &mut shared.stderr };
        capture.push(bytes);
        if state.written_bytes > state.policy.output_bytes {
            return Err(Error::new(Stop::OutputLimit));
        }
    }
    if fd == MESSAGE_OUT_FD {
        lock(&state.shared).outbox = Some(message);
    }
    write(memory, written_at, &written.to_le_bytes())?;
    Ok(errno::SUCCESS)
}
