//! Read-only files that live in host memory: how a guest gets its standard library without a directory.

use std::sync::Arc;

/// One file in the guest's otherwise empty file system.
#[derive(Debug, Clone)]
pub struct HostFile {
    /// Its path from the root, without a leading slash.
    pub name: String,
    /// Its content.
    pub bytes: Arc<[u8]>,
}

/// The descriptor of the root directory, when there is one.
pub(crate) const ROOT_FD: u32 = 3;
const FIRST_FILE_FD: u32 = 4;
const MAX_OPEN_FILES: usize = 64;

/// The files and the descriptors that one instance has open on them.
#[derive(Debug, Default)]
pub(crate) struct FileTable {
    files: Arc<[HostFile]>,
    open: Vec<Option<OpenFile>>,
}

#[derive(Debug, Clone, Copy)]
struct OpenFile {
    index: usize,
    position_bytes: u64,
}

impl FileTable {
    pub(crate) fn new(files: Arc<[HostFile]>) -> Self {
        Self { files, open: Vec::new() }
    }

    pub(crate) fn has_root(&self) -> bool {
        !self.files.is_empty()
    }

    /// The index of a file by its path relative to the root; `None` if there is none.
    pub(crate) fn find(&self, path: &str) -> Option<usize> {
        let name = path.trim_start_matches("./").trim_start_matches('/');
        self.files.iter().position(|file| file.name == name)
    }

    pub(crate) fn len_bytes(&self, index: usize) -> u64 {
        self.files.get(index).map_or(0, |file| file.bytes.len() as u64)
    }

    /// A new descriptor on a file; `None` when too many are open.
    pub(crate) fn open(&mut self, index: usize) -> Option<u32> {
        let opened = Some(OpenFile { index, position_bytes: 0 });
        let slot = match self.open.iter().position(Option::is_none) {
            Some(slot) => slot,
            None if self.open.len() < MAX_OPEN_FILES => {
                self.open.push(None);
                self.open.len() - 1
            }
            None => return None,
        };
        self.open[slot] = opened;
        u32::try_from(slot).ok().map(|slot| FIRST_FILE_FD + slot)
    }

    fn slot(&mut self, fd: u32) -> Option<&mut Option<OpenFile>> {
        self.open.get_mut(fd.checked_sub(FIRST_FILE_FD)? as usize)
    }

    pub(crate) fn close(&mut self, fd: u32) -> bool {
        self.slot(fd).is_some_and(|slot| slot.take().is_some())
    }

    /// The length of the file behind a descriptor, in bytes.
    pub(crate) fn size_of(&mut self, fd: u32) -> Option<u64> {
        let index = self.slot(fd)?.as_ref()?.index;
        Some(self.len_bytes(index))
    }

    /// Up to `len_bytes` from the descriptor's position, which moves on; or from `at`, and it does not.
    pub(crate) fn read(&mut self, fd: u32, len_bytes: usize, at: Option<u64>) -> Option<Vec<u8>> {
        let open = (*self.slot(fd)?)?;
        let bytes = Arc::clone(&self.files.get(open.index)?.bytes);
        let start = usize::try_from(at.unwrap_or(open.position_bytes)).unwrap_or(usize::MAX).min(bytes.len());
        let end = start.saturating_add(len_bytes).min(bytes.len());
        if at.is_none() {
            *self.slot(fd)? = Some(OpenFile { position_bytes: end as u64, ..open });
        }
        Some(bytes[start..end].to_vec())
    }

    /// Moves the position; `whence` as in WASI (0 set, 1 current, 2 end). `None` for a bad descriptor or place.
    pub(crate) fn seek(&mut self, fd: u32, offset: i64, whence: u32) -> Option<u64> {
        let open = (*self.slot(fd)?)?;
        let base = match whence {
            0 => 0,
            1 => open.position_bytes,
            2 => self.len_bytes(open.index),
            _ => return None,
        };
        let position_bytes = base.checked_add_signed(offset)?;
        *self.slot(fd)? = Some(OpenFile { position_bytes, ..open });
        Some(position_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_seeks_and_closes() {
        let file = HostFile { name: "a".to_owned(), bytes: Arc::from(&b"hello"[..]) };
        let mut table = FileTable::new(Arc::from(vec![file]));
        let index = table.find("/a").unwrap_or(usize::MAX);
        let fd = table.open(index).unwrap_or_default();
        assert_eq!(table.read(fd, 3, None).as_deref(), Some(&b"hel"[..]));
        assert_eq!(table.seek(fd, -1, 2), Some(4));
        assert_eq!(table.read(fd, 9, None).as_deref(), Some(&b"o"[..]));
        assert_eq!(table.read(fd, 9, Some(100)).as_deref(), Some(&b""[..]));
        assert!(table.close(fd) && !table.close(fd));
        assert_eq!(table.read(fd, 1, None), None);
        assert_eq!(table.seek(0, 0, 0), None);
    }
}
