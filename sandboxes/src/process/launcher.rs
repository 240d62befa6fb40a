//! Starting programs.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use super::driver::{Driver, Feed};
use super::outcome::{Finished, StartError};
use super::policy::{Layer, Policy, Program, Protection};
use super::protocol::{Settings, Task};
use super::session::Session;
use super::spawner::Spawner;

/// Starts sandboxed programs through the helper. Cheap to clone; all clones share one spawner thread,
/// which ends when the last launcher and the last run are gone.
#[derive(Debug, Clone)]
pub struct Launcher {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    helper: PathBuf,
    spawner: OnceLock<Spawner>,
}

impl Launcher {
    /// `helper` is a program whose `main` calls [`enter_if_child`](super::enter_if_child) first.
    #[must_use]
    pub fn new(helper: PathBuf) -> Self {
        Self { inner: Arc::new(Inner { helper, spawner: OnceLock::new() }) }
    }

    /// The running program is its own helper, also after its file was replaced or deleted.
    #[must_use]
    pub fn current_exe() -> Self {
        Self::new(PathBuf::from("/proc/self/exe"))
    }

    /// Runs `program` to its end. Dropping the future kills the whole tree.
    ///
    /// # Errors
    /// The program was not started, or the sandbox itself failed; never anything the program did.
    pub async fn run(
        &self,
        program: &Program,
        policy: &Policy,
        cancel: &CancellationToken,
    ) -> Result<Finished, StartError> {
        let feed = Feed::Once(program.stdin.clone());
        let driver = self.start(task(program)?, &program.path, policy, cancel.clone(), feed).await?;
        driver.run().await
    }

    /// Starts a long-lived program to talk with. [`Policy::wall`] is its longest life.
    ///
    /// # Errors
    /// As for [`Launcher::run`].
    pub async fn open(&self, program: &Program, policy: &Policy) -> Result<Session, StartError> {
        let (feed, ends) = Session::channels(program.stdin.clone());
        let cancel = CancellationToken::new();
        let driver = self.start(task(program)?, &program.path, policy, cancel, feed).await?;
        Ok(Session::new(driver, ends))
    }

    /// What this host enforces of `policy`, every layer taken as optional. A host on which not even a
    /// helper can be started enforces nothing, and the one entry says why.
    pub async fn probe(&self, policy: &Policy) -> Protection {
        let policy = Policy { optional: Layer::ALL.into(), ..policy.clone() };
        let feed = Feed::Once(Vec::new());
        let started = self.start(Task::Probe, Path::new("/"), &policy, CancellationToken::new(), feed).await;
        let finished = match started {
            Ok(driver) => driver.run().await,
            Err(e) => Err(e),
        };
        finished.map_or_else(|e| nothing_enforced(&e), |finished| finished.protection)
    }

    async fn start(
        &self,
        task: Task,
        path: &Path,
        policy: &Policy,
        cancel: CancellationToken,
        feed: Feed,
    ) -> Result<Driver, StartError> {
        check(policy)?;
        let spawn_error = |source| StartError::Spawn { helper: self.inner.helper.clone(), source };
        let helper = self.spawner().map_err(spawn_error)?.spawn(policy).await.map_err(spawn_error)?;
        let settings = Settings {
            policy: policy.clone(),
            task,
            parent_pid: i32::try_from(std::process::id()).unwrap_or(i32::MAX),
            cgroup: helper.guard.cgroup().map(|cgroup| cgroup.paths.clone()).unwrap_or_default(),
        };
        Driver::set_up(helper, &settings, path.to_owned(), cancel, feed).await
    }

    fn spawner(&self) -> std::io::Result<&Spawner> {
        if let Some(spawner) = self.inner.spawner.get() {
            return Ok(spawner);
        }
        // Two callers may both start a thread here; the one that loses ends at once.
        let spawner = Spawner::start(self.inner.helper.clone())?;
        Ok(self.inner.spawner.get_or_init(|| spawner))
    }
}

fn nothing_enforced(error: &StartError) -> Protection {
    let detail = error.to_string();
    let layers = Layer::ALL.map(|layer| super::policy::LayerState {
        layer,
        enforced: false,
        name: layer.name().to_owned(),
        detail: detail.clone(),
    });
    Protection { layers: layers.into() }
}

fn task(program: &Program) -> Result<Task, StartError> {
    for path in [&program.path, &program.cwd] {
        absolute(path)?;
    }
    let bytes = |s: &std::ffi::OsStr| s.as_bytes().to_vec();
    Ok(Task::Exec {
        path: bytes(program.path.as_os_str()),
        args: program.args.iter().map(|argument| bytes(argument)).collect(),
        cwd: bytes(program.cwd.as_os_str()),
    })
}

fn absolute(path: &Path) -> Result<(), StartError> {
    if path.is_absolute() {
        Ok(())
    } else {
        Err(StartError::Invalid { detail: format!("{} is not an absolute path", path.display()) })
    }
}

fn check(policy: &Policy) -> Result<(), StartError> {
    policy.read_only.iter().chain(&policy.writable).try_for_each(|path| absolute(path))?;
    let bad = |name: &str| name.is_empty() || name.contains(['=', '\0']);
    if let Some((name, _)) = policy.env.iter().find(|(name, value)| bad(name) || value.contains('\0')) {
        return Err(StartError::Invalid {
            detail: format!("environment variable {name:?} cannot be passed"),
        });
    }
    if policy.memory_bytes == 0 || policy.processes == 0 {
        return Err(StartError::Invalid { detail: "a limit of zero lets nothing run".to_owned() });
    }
    Ok(())
}
