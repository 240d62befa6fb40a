//! What a repetition took, and tokens for each second of it.

use proofloop_sandboxes::process::own_cpu;
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// One repetition.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Span {
    /// User + system time of the whole process.
    pub cpu_s: f64,
    pub wall_s: f64,
}

/// Does `work` and says what it took.
pub(super) fn spent<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(T, Span)> {
    let (start, before) = (Instant::now(), own_cpu()?);
    let result = work()?;
    let (cpu, wall) = (own_cpu()?.saturating_sub(before), start.elapsed());
    Ok((result, Span { cpu_s: cpu.as_secs_f64(), wall_s: wall.as_secs_f64() }))
}

/// Tokens for each second, over repetitions. A busy machine slows the median down, and the best hardly.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Rate {
    pub best: f64,
    pub median: f64,
}

impl Rate {
    fn new(tokens: usize, mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        let of = |index: usize| {
            seconds.get(index).map_or(f64::NAN, |seconds| tokens as f64 / seconds.max(f64::MIN_POSITIVE))
        };
        Self { best: of(0), median: of(seconds.len() / 2) }
    }
}

/// What one program reached.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Rates {
    /// Tokens for each CPU second, of all threads together.
    pub per_cpu_second: Rate,
    /// Tokens for each second by the clock.
    pub per_second: Rate,
}

impl Rates {
    /// Of repetitions of `tokens` each.
    pub(super) fn new(tokens: usize, spans: &[Span]) -> Self {
        Self {
            per_cpu_second: Rate::new(tokens, spans.iter().map(|span| span.cpu_s).collect()),
            per_second: Rate::new(tokens, spans.iter().map(|span| span.wall_s).collect()),
        }
    }

    /// How many times the tokens of `other`.
    pub(super) fn over(&self, other: &Self) -> Self {
        let ratio = |ours: Rate, theirs: Rate| Rate {
            best: ours.best / theirs.best,
            median: ours.median / theirs.median,
        };
        Self {
            per_cpu_second: ratio(self.per_cpu_second, other.per_cpu_second),
            per_second: ratio(self.per_second, other.per_second),
        }
    }

    /// The four figures as a row of the table under [`HEADER`].
    pub(super) fn row(&self, name: &str, decimals: usize) -> String {
        let Self { per_cpu_second: cpu, per_second: wall } = self;
        let figures = [cpu.best, cpu.median, wall.best, wall.median];
        let figures = figures.map(|figure| format!("{figure:>9.decimals$}"));
        format!("{name:<42}{}", figures.join(" "))
    }
}

/// What [`Rates::row`] stands below.
pub(super) const HEADER: [&str; 2] = [
    "                                             tokens per CPU s  tokens per s (clock)",
    "                                               best    median      best    median",
];

/// Lets [`own_peak_memory_bytes`] begin again at what is resident now (proc(5): 5 to `clear_refs`). False if the system
/// does not: then it is the peak since the program began.
pub(super) fn forget_peak_memory() -> bool {
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The most memory that this process ever had resident, or has had since [`forget_peak_memory`].
pub(super) fn own_peak_memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}
