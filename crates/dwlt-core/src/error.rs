//! The one error type of the core. The binding maps each variant onto a class of `dwlt.errors`.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What every fallible function of the core returns.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, in words that name the culprit.
#[derive(Debug)]
pub enum Error {
    /// Masks and weights do not belong together, a weight is NaN, or a count cannot be met.
    Mask {
        /// Names the tensor, and the flat index where there is one.
        message: String,
        /// The next step, where the message does not already say it.
        hint: Option<&'static str>,
    },
    /// A file is damaged, of another kind, or cannot be read.
    Format {
        /// The file.
        path: PathBuf,
        /// Names the tensor and byte offset where there are any.
        message: String,
        /// The next step, where the message does not already say it.
        hint: Option<&'static str>,
    },
    /// Another process holds the run folder.
    Busy {
        /// The run folder.
        folder: PathBuf,
        /// Who holds it and since when, in words.
        holder: String,
    },
    /// A run folder contradicts itself, or the ledger was asked for something it must refuse.
    Ledger {
        /// Names the folder, line, step or file.
        message: String,
        /// The next step, where the message does not already say it.
        hint: Option<&'static str>,
    },
    /// A file that was named cannot be read: it is missing, a folder, or not ours to read.
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The caller's [`Watch`](crate::Watch) asked to stop.
    Stopped,
    /// The operating system refused something else.
    Io {
        /// What was being done, as in "write".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn mask(message: impl Into<String>) -> Self {
        Self::Mask { message: message.into(), hint: None }
    }

    pub(crate) fn format(path: &Path, message: impl Into<String>) -> Self {
        Self::Format { path: path.to_owned(), message: message.into(), hint: None }
    }

    pub(crate) fn ledger(message: impl Into<String>) -> Self {
        Self::Ledger { message: message.into(), hint: None }
    }

    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    /// The next step for the user, where there is one to name.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Mask { hint, .. } | Self::Format { hint, .. } | Self::Ledger { hint, .. } => {
                *hint
            }
            Self::Busy { .. } => Some("wait for it to finish, or stop it and run this again"),
            Self::Read { .. } | Self::Stopped | Self::Io { .. } => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mask { message, .. } | Self::Ledger { message, .. } => f.write_str(message),
            Self::Format { path, message, .. } => write!(f, "{}: {message}", path.display()),
            Self::Busy { folder, holder } => {
                write!(f, "{} is held by {holder}", folder.display())
            }
            Self::Read { path, source } => {
                write!(f, "cannot read {}: {source}", path.display())
            }
            Self::Stopped => f.write_str("stopped"),
            Self::Io { action, path, source } => {
                write!(f, "cannot {action} {}: {source}", path.display())
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } | Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
