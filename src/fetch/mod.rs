//! A file over HTTP: whole and with the right hash, or not there.
//!
//! Why not `hf-hub`: 1.0.0 takes reqwest with its default TLS, aws-lc, which builds with cmake, and a transfer protocol
//! of its own besides; `deny.toml` refuses the one, and a handful of files from two hosts need neither.

use reqwest::{Client, Url};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;

/// How long a host may take to let us in.
const CONNECT: Duration = Duration::from_secs(20);

/// How long it may say nothing.
const SILENCE: Duration = Duration::from_secs(60);

/// No data set that we know of is as long.
const MAX_BYTES: u64 = 4 << 30;

/// Why a file was not fetched. Nothing is left of it.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It is no address.
    #[error("`{url}` is no address")]
    Address {
        /// What was given.
        url: String,
    },
    /// No client can be had.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
    /// The host cannot be reached, or breaks off.
    #[error("cannot reach {url}")]
    Unreachable {
        /// The address.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The host says nothing any more.
    #[error("{url} has sent nothing for {} s", SILENCE.as_secs())]
    Silent {
        /// The address.
        url: String,
    },
    /// The host does not have it, or does not give it.
    #[error("{url} answers with status {status}")]
    Status {
        /// The address.
        url: String,
        /// What it says.
        status: u16,
    },
    /// It does not end.
    #[error("{url} is longer than {MAX_BYTES} bytes")]
    TooLong {
        /// The address.
        url: String,
    },
    /// It is another file.
    #[error("{url} is not the file that is pinned: its sha256 is {found}, expected {expected}")]
    OtherHash {
        /// The address.
        url: String,
        /// The pinned hash.
        expected: String,
        /// The file's.
        found: String,
    },
    /// The disk failed.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Fetches a file to `to`, whose folder must be there, and says its sha256. It is written under another name, and gets its
/// own when it is whole and, where a hash is expected, has it. Dropping the future leaves at most the other name behind.
///
/// # Errors
/// [`FetchError`].
pub async fn fetch(url: &str, to: &Path, expected: Option<&str>) -> Result<String, FetchError> {
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let fetched = download(url, &partial).await.and_then(|found| match expected {
        Some(expected) if expected != found => {
            Err(FetchError::OtherHash { url: url.to_owned(), expected: expected.to_owned(), found })
        }
        Some(_) | None => Ok(found),
    });
    match fetched {
        Ok(found) => {
            let fail = |source| FetchError::Write { path: to.to_owned(), source };
            fs::rename(&partial, to).await.map_err(fail)?;
            Ok(found)
        }
        Err(error) => {
            // The first error is the one to report.
            drop(fs::remove_file(&partial).await);
            Err(error)
        }
    }
}

async fn download(url: &str, partial: &Path) -> Result<String, FetchError> {
    let unreachable = |source: reqwest::Error| FetchError::Unreachable {
        url: url.to_owned(),
        source: source.without_url(),
    };
    let address = Url::parse(url).map_err(|_no_address| FetchError::Address { url: url.to_owned() })?;
    let mut builder = Client::builder()
        .tls_backend_preconfigured(crate::tls::client(address.scheme() == "https")?)
        .connect_timeout(CONNECT)
        .user_agent(concat!("proofloop/", env!("CARGO_PKG_VERSION")));
    if matches!(address.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
        builder = builder.no_proxy();
    }
    let client = builder.build().map_err(unreachable)?;
    let silent = |_elapsed| FetchError::Silent { url: url.to_owned() };
    let mut response = tokio::time::timeout(SILENCE, client.get(address).send())
        .await
        .map_err(silent)?
        .map_err(unreachable)?;
    if !response.status().is_success() {
        return Err(FetchError::Status { url: url.to_owned(), status: response.status().as_u16() });
    }
    let fail = |source| FetchError::Write { path: partial.to_owned(), source };
    let mut file = File::create(partial).await.map_err(fail)?;
    let (mut hasher, mut length) = (Sha256::new(), 0_u64);
    while let Some(chunk) =
        tokio::time::timeout(SILENCE, response.chunk()).await.map_err(silent)?.map_err(unreachable)?
    {
        length += chunk.len() as u64;
        if length > MAX_BYTES {
            return Err(FetchError::TooLong { url: url.to_owned() });
        }
        hasher.update(&chunk);
        file.write_all(&chunk).await.map_err(fail)?;
    }
    file.sync_all().await.map_err(fail)?;
    Ok(proofloop_datasets::registry::hex(&hasher.finalize()))
}
